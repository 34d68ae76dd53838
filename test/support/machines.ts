// Machines on one machine: network namespaces with an address each, joined by a switch whose links have a set speed.
import { type ChildProcess, execFileSync, type SpawnOptions, spawn } from "node:child_process";

export interface Machine {
  /** Reached from the other machines of its set and from nowhere else. */
  readonly address: string;
  /** The words that stand before a command so that it runs on this machine. */
  readonly inside: readonly string[];
  readonly namespace: string;
  /** The other end of its cable, in the switch. */
  readonly port: string;
}

/** The name of every machine's only network interface but lo. */
export const machineInterface = "eth0";

const network = "10.87.0"; // a private range, and only inside the namespaces
const mostMachines = 200;
/** Linux always has reno. What a system sets instead (bbr here and there) would make figures of two systems differ. */
const congestionControl = "/proc/sys/net/ipv4/tcp_congestion_control";

/**
 * Namespaces that stand for machines. Everything lies in namespaces, the switch (a bridge) too, so that the network of this
 * computer is not touched, and what removes the namespaces removes all. Their names carry the process id: what a killed process left
 * behind is removed by the next.
 */
export class Machines {
  static #made = 0;
  readonly all: readonly Machine[];
  readonly #switch: string;
  #shaped = false;

  private constructor(count: number) {
    const prefix = `fastclip-${process.pid}-${Machines.#made++}`;
    this.#switch = `${prefix}-switch`;
    this.all = Array.from({ length: count }, (_, i) => {
      const namespace = `${prefix}-${i}`;
      const inside = ["ip", "netns", "exec", namespace];
      return { address: `${network}.${i + 1}`, inside, namespace, port: `port${i}` };
    });
  }

  /** `count` machines whose links are as fast as this computer moves memory. */
  static create(count: number): Machines {
    if (!(count >= 1 && count <= mostMachines))
      throw new Error(`expected 1 to ${mostMachines} machines, not ${count}: they share one network of 254 addresses`);
    sweep();
    const machines = new Machines(count);
    closeAtTheEnd(machines);
    try {
      machines.#build();
    } catch (error) {
      machines.close();
      throw error;
    }
    return machines;
  }

  #build(): void {
    ip("netns", "add", this.#switch);
    ip("-n", this.#switch, "link", "add", "switch", "type", "bridge");
    ip("-n", this.#switch, "link", "set", "switch", "up");
    for (const { namespace, address, port } of this.all) {
      ip("netns", "add", namespace);
      const cable = ["link", "add", machineInterface, "netns", namespace, "type", "veth"];
      ip(...cable, "peer", "name", port, "netns", this.#switch);
      ip("-n", this.#switch, "link", "set", port, "master", "switch", "up");
      ip("-n", namespace, "address", "add", `${address}/24`, "dev", machineInterface);
      ip("-n", namespace, "link", "set", machineInterface, "up");
      ip("-n", namespace, "link", "set", "lo", "up");
      run("ip", [...words(`netns exec ${namespace} sh -c`), `echo reno > ${congestionControl}`]);
    }
  }

  /** Gives every machine's link so many bits a second, each way; undefined as many as this computer moves. */
  shape(bitsPerSecond: number | undefined): void {
    const was = this.#shaped;
    for (const { namespace, port } of this.all)
      for (const [where, device] of [
        [namespace, machineInterface],
        [this.#switch, port],
      ] as const) {
        if (bitsPerSecond !== undefined)
          tc("-n", where, ...words(`qdisc replace dev ${device} root ${bucket(bitsPerSecond)}`));
        else if (was) tc("-n", where, "qdisc", "delete", "dev", device, "root");
      }
    this.#shaped = bitsPerSecond !== undefined;
  }

  /** Starts a command on a machine. */
  spawn(machine: Machine, command: readonly string[], options: SpawnOptions): ChildProcess {
    const [program, ...args] = [...machine.inside, ...command];
    return spawn(program!, args, options);
  }

  /** Bytes that a machine has put on its link since it was made, with the headers of TCP, IP and Ethernet. */
  sentBytes(machine: Machine): number {
    const shown = ip("-n", machine.namespace, "-s", "-j", "link", "show", "dev", machineInterface);
    const [link] = JSON.parse(shown) as [{ stats64: { tx: { bytes: number } } }];
    return link.stats64.tx.bytes;
  }

  /** Ends whatever still runs on the machines, and removes them. */
  close(): void {
    open.delete(this);
    for (const name of [...this.all.map(({ namespace }) => namespace), this.#switch]) remove(name);
  }
}

/** Why there can be no machines here, in one sentence; undefined when there can. */
export function whyNoMachines(): string | undefined {
  if (process.platform !== "linux") return "network namespaces are Linux's";
  if (process.getuid?.() !== 0) return "network namespaces can be made by root alone";
  for (const program of ["ip", "tc"])
    if (failure(program, "-V") !== undefined) return `there is no command ${program} (package iproute2)`;
  const probe = `fastclip-${process.pid}-probe`;
  const tries: readonly (readonly [what: string, program: string, ...args: string[]])[] = [
    ["makes no network namespaces", "ip", "netns", "add", probe],
    [
      "has no pairs of virtual interfaces (veth)",
      "ip",
      "-n",
      probe,
      ...words("link add left type veth peer name right"),
    ],
    ["has no bridges", "ip", "-n", probe, ...words("link add switch type bridge")],
    ["limits no speed (sch_tbf)", "tc", "-n", probe, ...words(`qdisc add dev left root ${bucket(1e6)}`)],
  ];
  try {
    for (const [what, program, ...args] of tries) {
      const reason = failure(program, ...args);
      if (reason !== undefined) return `this kernel ${what}: ${reason}`;
    }
    return undefined;
  } finally {
    failure("ip", "netns", "delete", probe);
  }
}

const words = (text: string): string[] => text.split(" ");

/**
 * A token bucket. It holds two milliseconds' bytes: so little that also a small message takes its time, so much that a timer which
 * comes late on a busy computer costs no speed. The queue holds so long that a sender waits before anything is dropped.
 */
function bucket(bitsPerSecond: number): string {
  const burst = Math.max(25_000, Math.round((bitsPerSecond / 8) * 0.002));
  return `tbf rate ${bitsPerSecond}bit burst ${burst} latency 50ms`;
}

const open = new Set<Machines>();

/** Also a process that ends by an error or a signal takes its machines with it. */
function closeAtTheEnd(machines: Machines): void {
  if (open.size === 0 && process.listenerCount("exit", closeAll) === 0) {
    process.on("exit", closeAll);
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, closeAndEnd);
  }
  open.add(machines);
}

function closeAll(): void {
  for (const machines of open) machines.close();
}

/** What this listener caught would have ended the process, unless somebody else listens. */
function closeAndEnd(signal: NodeJS.Signals): void {
  closeAll();
  if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
}

/** Removes the namespaces of processes that are no more. */
function sweep(): void {
  for (const name of ip("netns", "list").split("\n")) {
    const [, namespace, pid] = /^(fastclip-(\d+)-\S+)/.exec(name) ?? [];
    if (namespace !== undefined && !lives(Number(pid))) remove(namespace);
  }
}

function lives(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** A namespace without a name lives on as long as a process in it, so those go first. */
function remove(namespace: string): void {
  try {
    for (const pid of ip("netns", "pids", namespace).split("\n")) if (pid !== "") process.kill(Number(pid), "SIGKILL");
  } catch {
    // The namespace was never made, or the process has ended by itself.
  }
  failure("ip", "netns", "delete", namespace);
}

function failure(program: string, ...args: string[]): string | undefined {
  try {
    run(program, args);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

const ip = (...args: string[]): string => run("ip", args);
const tc = (...args: string[]): string => run("tc", args);

function run(program: string, args: readonly string[]): string {
  try {
    return execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string };
    throw new Error(`${program} ${args.join(" ")}: ${stderr?.trim() || message}`, { cause: error });
  }
}

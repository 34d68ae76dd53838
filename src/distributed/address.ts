// The address by which the other machines reach this one.
import dgram from "node:dgram";
import { lookup } from "node:dns/promises";
import { once } from "node:events";
import { networkInterfaces } from "node:os";

/** The network interface that GLOO_SOCKET_IFNAME names, or the local address from which `host` is reached. */
export async function localAddress(host: string, options: { severalMachines: boolean }): Promise<string> {
  const named = process.env["GLOO_SOCKET_IFNAME"];
  if (named) return named;
  const address = await addressTowards(host);
  // Many systems give a machine's own name a loopback address, by which no other machine reaches it.
  const isLoopback = address === "::1" || address.startsWith("127.");
  return isLoopback && options.severalMachines ? (outsideAddress() ?? address) : address;
}

/** Connecting a datagram socket sends nothing, but lets the system choose the way and with it the address of this end. */
async function addressTowards(host: string): Promise<string> {
  const { address, family } = await lookup(host).catch((error: Error) => {
    throw new Error(`the host ${host}, where the processes are to meet, is not known here: ${error.message}`);
  });
  const socket = dgram.createSocket(family === 6 ? "udp6" : "udp4");
  try {
    const connected = once(socket, "connect");
    socket.connect(9, address); // any port will do
    await connected;
    return socket.address().address;
  } finally {
    socket.close();
  }
}

function outsideAddress(): string | undefined {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return addresses.find(({ family, internal }) => family === "IPv4" && !internal)?.address;
}

// Makes two machines, prints their namespaces and waits to be ended; see test/machines.test.ts.
import { Machines } from "../support/machines.ts";

const { all } = Machines.create(2);
console.log(JSON.stringify(all.map(({ namespace }) => namespace)));
setInterval(() => {}, 1000);

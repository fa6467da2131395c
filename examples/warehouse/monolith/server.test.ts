import { afterAll, beforeAll, expect, it } from "vitest";
import { startWarehouse, type Warehouse } from "./server.ts";

let warehouse: Warehouse;
beforeAll(async () => {
  warehouse = await startWarehouse();
});
afterAll(() => warehouse.close());

async function ask(method: string, path: string, body?: unknown): Promise<[number, unknown]> {
  const response = await fetch(warehouse.origin + path, {
    method,
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  return [response.status, await response.json()];
}

it("knows products, takes shipments once, and reserves what is there", async () => {
  expect(await ask("POST", "/products", { sku: "a b", name: "Crate" })).toEqual([201, { sku: "a b", name: "Crate" }]);
  for (const _ of [1, 2]) await ask("POST", "/inbound/shipments", { shipment: "1", sku: "a b", quantity: 3 });
  expect(await ask("GET", "/products/a%20b")).toEqual([200, { sku: "a b", name: "Crate", stock: 3 }]);
  const order = { order: "o1", sku: "a b", quantity: 2 };
  for (const _ of [1, 2]) {
    expect(await ask("POST", "/outbound/orders", order)).toEqual([201, { order: "o1", status: "reserved" }]);
  }
  expect(await ask("GET", "/products/a%20b")).toMatchObject([200, { stock: 1 }]);
  expect(await ask("GET", "/outbound/orders/o1")).toEqual([200, { id: "o1", sku: "a b", quantity: 2 }]);
});

it("refuses what it cannot do, and keeps nothing of it", async () => {
  await ask("POST", "/products", { sku: "rare", name: "Rare" });
  expect(await ask("POST", "/outbound/orders", { order: "o2", sku: "rare", quantity: 1 })).toMatchObject([409, {}]);
  expect(await ask("GET", "/outbound/orders/o2")).toMatchObject([404, {}]);
  expect(await ask("POST", "/outbound/orders", { order: "o3", sku: "none", quantity: 1 })).toMatchObject([422, {}]);
  expect(await ask("POST", "/outbound/orders", { order: "o4", sku: "rare", quantity: 0 })).toMatchObject([400, {}]);
  expect(await ask("POST", "/outbound/orders", "no json")).toMatchObject([400, {}]);
  expect(await ask("PUT", "/nowhere")).toMatchObject([404, {}]);
});

it("turns away what its database cannot take", async () => {
  await ask("POST", "/products", { sku: "much", name: "Much" });
  const answers = await Promise.all(Array.from({ length: 60 }, () => ask("GET", "/products/much")));
  expect(answers.filter(([status]) => status === 503).length).toBeGreaterThan(0);
  expect(answers.filter(([status]) => status === 200).length).toBeGreaterThanOrEqual(20);
});

/** The inbound team's part: what the warehouse knows of products, and what comes in. */
import type { Database } from "./database.ts";
import { Refusal, quantityOf, textOf, type Routes } from "./routes.ts";

export function inboundRoutes(database: Database): Routes {
  return {
    "POST /products": async ({ body }) => {
      const [sku, name] = [textOf(body, "sku"), textOf(body, "name")];
      await database.transaction((transaction) =>
        transaction.run(
          "insert into products (sku, name, stock) values (?, ?, 0) on conflict (sku) do update set name = excluded.name",
          sku,
          name,
        ),
      );
      return { status: 201, answer: { sku, name } };
    },

    "GET /products": async ({ id }) => {
      const product = await database.transaction((transaction) =>
        transaction.one("select sku, name, stock from products where sku = ?", id),
      );
      if (product === undefined) throw new Refusal(404, `There is no product ${id}.`);
      return { status: 200, answer: product };
    },

    "POST /inbound/shipments": async ({ body }) => {
      const [shipment, sku, quantity] = [textOf(body, "shipment"), textOf(body, "sku"), quantityOf(body)];
      await database.transaction((transaction) => {
        const added = transaction.run(
          "insert into shipments (id, sku, quantity) values (?, ?, ?) on conflict do nothing",
          shipment,
          sku,
          quantity,
        );
        // The same shipment told of twice comes in once.
        if (added === 0) return;
        const known = transaction.run("update products set stock = stock + ? where sku = ?", quantity, sku);
        if (known === 0) throw new Refusal(422, `There is no product ${sku}.`);
      });
      return { status: 201, answer: { shipment, sku, quantity } };
    },
  };
}

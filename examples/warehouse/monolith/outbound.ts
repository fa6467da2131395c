/** The outbound team's part: orders, which take from the stock that inbound keeps, in the datastore that both share. */
import type { Database } from "./database.ts";
import { Refusal, quantityOf, textOf, type Routes } from "./routes.ts";

export function outboundRoutes(database: Database): Routes {
  return {
    "POST /outbound/orders": async ({ body }) => {
      const [order, sku, quantity] = [textOf(body, "order"), textOf(body, "sku"), quantityOf(body)];
      await database.transaction((transaction) => {
        const added = transaction.run(
          "insert into orders (id, sku, quantity) values (?, ?, ?) on conflict do nothing",
          order,
          sku,
          quantity,
        );
        // An order that comes twice, as from a queue it may, is one order.
        if (added === 0) return;
        const product = transaction.one("select stock from products where sku = ?", sku);
        if (product === undefined) throw new Refusal(422, `There is no product ${sku}.`);
        if (Number(product["stock"]) < quantity) throw new Refusal(409, `There are not ${quantity} of ${sku}.`);
        transaction.run("update products set stock = stock - ? where sku = ?", quantity, sku);
      });
      return { status: 201, answer: { order, status: "reserved" } };
    },

    "GET /outbound/orders": async ({ id }) => {
      const order = await database.transaction((transaction) =>
        transaction.one("select id, sku, quantity from orders where id = ?", id),
      );
      if (order === undefined) throw new Refusal(404, `There is no order ${id}.`);
      return { status: 200, answer: order };
    },

    "GET /outbound/count": async () => {
      const counted = await database.transaction((transaction) =>
        transaction.one("select count(*) as orders from orders"),
      );
      return { status: 200, answer: { orders: Number(counted?.["orders"] ?? 0) } };
    },
  };
}

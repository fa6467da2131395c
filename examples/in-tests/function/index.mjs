/** An order in, the text of its receipt out. */
export async function handler({ id, items }) {
  if (items.length === 0) throw new RangeError(`order ${id} is empty`);
  const sum = items.reduce((sum, { price, count }) => sum + price * count, 0);
  return [`Order ${id}`, ...items.map(({ name, count }) => `${count} x ${name}`), `Total ${sum}`].join("\n");
}

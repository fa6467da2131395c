export const handler = async (event) => ({
  statusCode: 200,
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify({ path: event.path ?? event.rawPath, price: 12.5, currency: "JPY" }),
});

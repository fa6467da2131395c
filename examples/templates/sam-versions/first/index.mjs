export const handler = async ({ name = "world" }) => `${process.env.GREETING}, ${name}`;

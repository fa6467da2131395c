export const handler = async ({ name = "world" }) => `${process.env.GREETING} again, ${name}`;

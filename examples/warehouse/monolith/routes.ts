/** What the teams' parts have in common: the shared library that neither can change alone. */

export interface RouteRequest {
  /** What follows the route in the path. */
  id: string;
  body: Readonly<Record<string, unknown>>;
}

export interface RouteAnswer {
  status: number;
  answer: object;
}

/** `POST /outbound/orders` -> what answers it. */
export type Routes = Readonly<Record<string, (request: RouteRequest) => Promise<RouteAnswer>>>;

/** Ends a request with a status and the reason. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const textMax = 100;
const quantityMax = 1_000;

export function textOf(body: RouteRequest["body"], name: string): string {
  const value = body[name];
  if (typeof value !== "string" || value === "" || value.length > textMax) {
    throw new Refusal(400, `${name} must be a text of 1 to ${textMax} characters.`);
  }
  return value;
}

export function quantityOf({ quantity }: RouteRequest["body"]): number {
  if (typeof quantity !== "number" || !Number.isInteger(quantity) || quantity < 1 || quantity > quantityMax) {
    throw new Refusal(400, `quantity must be a whole number from 1 to ${quantityMax}.`);
  }
  return quantity;
}

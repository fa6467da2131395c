/** Listings in pages: the form that every Describe operation here shares. */
import type { Call } from "../../kit/call.ts";
import { pageKey, pageOf } from "../../kit/tokens.ts";
import { pageSizeDefault } from "./limits.ts";
import { invalid } from "./refusals.ts";

/** What a listing is made from. */
export interface Pages<R> {
  operation: string;
  input: { Marker?: string | undefined; PageSize?: number | undefined };
  /** A marker belongs to these. */
  filters?: unknown;
  call: Call;
  /** By what the rows are ordered. */
  keyOf: (row: R) => string | number;
  /** Rows after `key` in their order, at most `limit`; from the first without a key. */
  rowsAfter: (key: string | number | undefined, limit: number) => Promise<readonly R[]>;
}

/** One page, and the marker of the next one ready to be spread into an answer. */
export async function onePage<R>(pages: Pages<R>): Promise<{ page: readonly R[]; next: { NextMarker?: string } }> {
  const { operation, input, filters, call, keyOf, rowsAfter } = pages;
  const listing = { operation, filters, call };
  const limit = input.PageSize ?? pageSizeDefault;
  const key = pageKey(listing, input.Marker, () => invalid(`The marker '${input.Marker ?? ""}' is not valid`));
  const rows = await rowsAfter(key?.[0], limit + 1);
  const { page, nextToken } = pageOf(listing, rows, limit, (row) => [keyOf(row)]);
  return { page, next: nextToken === undefined ? {} : { NextMarker: nextToken } };
}

/** What every operation answers when its function is not there. */
import { expect, it } from "vitest";
import { absent, elsewhere } from "./absent.suite.ts";
import { faultOf, withNode } from "./node.suite.ts";

it.each(absent.map((row) => [row.operation, row] as const))("%s", (_operation, row) =>
  withNode(async (node) => {
    const { code = "ResourceNotFoundException", message } = row;
    expect(await faultOf(row.call(node))).toEqual({ code, message });
  }),
);

it("every operation has its row, here or elsewhere", () =>
  withNode(async ({ service }) => {
    const listed = [...absent.map(({ operation }) => operation), ...elsewhere];
    expect(listed.toSorted()).toEqual(Object.keys(service.operations).toSorted());
  }));

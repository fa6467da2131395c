import { expect, test } from "vitest";
import { countingIds } from "../base/ids.ts";
import { FakeClock } from "../base/clock.ts";
import { services } from "../services/index.ts";
import { checksOf } from "./constraints.ts";
import { loadService, serviceKeys } from "./model.ts";
import { awsJson } from "./protocols/aws-json.ts";
import type { Protocol } from "./protocols/protocol.ts";
import { awsQuery, ec2Query } from "./protocols/query.ts";
import { restJson } from "./protocols/rest-json.ts";
import { restXml } from "./protocols/rest-xml.ts";
import { createWire, idempotencyMember } from "./wire.ts";

test("a table for each service", () => {
  const wire = createWire({ clock: new FakeClock(), ids: countingIds() });
  expect(wire.services()).toEqual(services.map(({ name }) => name).toSorted());
  expect(wire.operationNames("sqs")).toHaveLength(23);
  expect(wire.operationNames("lambda")).toContain("InvokeWithResponseStream");
  expect(wire.operationNames("ec2")).toEqual(expect.arrayContaining(["DescribeVpcs", "RunInstances"]));
  expect(wire.operationNames("dynamodb")).toEqual([]);
});

const protocolsOf = (key: string): Protocol[] => {
  const model = loadService(key);
  switch (model.protocol) {
    case "awsJson1_0":
      return [awsJson(model, "1.0"), awsQuery(model)];
    case "awsJson1_1":
      return [awsJson(model, "1.1")];
    case "awsQuery":
      return [awsQuery(model)];
    case "ec2Query":
      return [ec2Query(model)];
    case "restJson1":
      return [restJson(model)];
    default:
      return [restXml(model, ["localhost"])];
  }
};

test.each(serviceKeys())("every operation of %s compiles", (key) => {
  const model = loadService(key);
  const checks = checksOf();
  let compiled = 0;
  for (const protocol of protocolsOf(key)) {
    for (const name of model.operationNames) {
      const operation = model.operation(name);
      expect(operation, name).toBeDefined();
      if (operation === undefined || operation.opaque) continue;
      expect(() => protocol.codec(operation), name).not.toThrow();
      expect(() => checks(operation.input), name).not.toThrow();
      compiled += 1;
    }
  }
  expect(compiled).toBeGreaterThan(0);
});

test("client tokens are known by member", () => {
  expect(idempotencyMember("cloudformation", "UpdateStackSet")).toBe("OperationId");
  expect(idempotencyMember("sqs", "SendMessage")).toBeUndefined();
  expect(idempotencyMember("nothing", "Nothing")).toBeUndefined();
});

import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { countingIds } from "../../base/ids.ts";
import { physicalName } from "./naming.ts";
import { nextOf, orderOf, type Phase, type PlannedResource, type ResourceStatus } from "./plan.ts";
import { templateLocation } from "./template-url.ts";

function resource(
  logicalId: string,
  status: ResourceStatus | null,
  rest: Partial<PlannedResource> = {},
): PlannedResource {
  const made = status !== null && status !== "CREATE_IN_PROGRESS" && status !== "CREATE_FAILED";
  const forward = { done: status === "CREATE_COMPLETE", todo: status === null, failed: status === "CREATE_FAILED" };
  const plain = { key: logicalId, logicalId, needs: [], current: true, made, retained: false, running: false };
  return { ...plain, ...forward, status, ...rest };
}
const next = (phase: Phase, resources: readonly PlannedResource[], slots = 10, failing = false) =>
  nextOf({ phase, resources, slots, failing });

describe("creating", () => {
  it("begins what needs nothing more, within the free places", () => {
    const resources = [
      resource("A", "CREATE_COMPLETE"),
      resource("B", null, { needs: ["A"] }),
      resource("C", null, { needs: ["B"] }),
      resource("D", null),
      resource("E", "CREATE_IN_PROGRESS", { running: true }),
    ];
    expect(next("create", resources)).toMatchObject({ begin: ["B", "D"], resume: [], finished: false });
    expect(next("create", resources, 2)).toMatchObject({ begin: ["B"] });
    expect(next("create", resources, 1)).toMatchObject({ begin: [], finished: false });
  });

  it("issues again what a dead node had begun", () => {
    const resources = [resource("A", "CREATE_IN_PROGRESS"), resource("B", "CREATE_FAILED")];
    expect(next("create", resources)).toMatchObject({ resume: ["A"], begin: [], finished: false });
  });

  it("begins nothing after a failure, and ends when what runs has ended", () => {
    expect(next("create", [resource("A", "CREATE_FAILED"), resource("B", null)])).toMatchObject({
      begin: [],
      finished: true,
    });
    expect(next("create", [resource("B", null)], 10, true)).toMatchObject({ begin: [], finished: true });
    expect(
      next("create", [resource("A", "CREATE_FAILED"), resource("B", "CREATE_IN_PROGRESS", { running: true })]),
    ).toMatchObject({
      finished: false,
    });
  });
});

describe("removing", () => {
  it("begins with what nobody needs any more", () => {
    const resources = [
      resource("A", "CREATE_COMPLETE"),
      resource("B", "CREATE_COMPLETE", { needs: ["A"] }),
      resource("C", "DELETE_COMPLETE", { needs: ["B"] }),
      resource("D", null, { needs: ["A"] }),
    ];
    expect(next("remove", resources)).toMatchObject({ delete: ["B"], finished: false });
  });

  it("skips what is retained and forgets what was never made", () => {
    const resources = [resource("A", "CREATE_COMPLETE", { retained: true }), resource("B", "CREATE_FAILED")];
    expect(next("remove", resources)).toMatchObject({ skip: ["A"], forget: ["B"], delete: [], finished: false });
  });

  it("tries once for each deletion what cannot be deleted", () => {
    expect(next("remove", [resource("A", "DELETE_FAILED")])).toMatchObject({ delete: [], finished: true });
    expect(next("remove", [resource("A", "DELETE_FAILED", { current: false })])).toMatchObject({ delete: ["A"] });
  });

  it("settles a creation before it deletes what came of it", () => {
    const resources = [resource("A", "CREATE_IN_PROGRESS"), resource("B", "DELETE_IN_PROGRESS")];
    expect(next("remove", resources)).toMatchObject({
      resume: ["A"],
      resumeDelete: ["B"],
      delete: [],
      finished: false,
    });
  });
});

describe("order", () => {
  it("has each after what it needs, or says which are in a circle", () => {
    const graphs = fc.integer({ min: 1, max: 12 }).chain((count) =>
      fc.array(fc.array(fc.integer({ min: 0, max: count - 1 }), { maxLength: 3 }), {
        minLength: count,
        maxLength: count,
      }),
    );
    fc.assert(
      fc.property(graphs, (edges) => {
        const needs = new Map(edges.map((of, id) => [`${id}`, [...new Set(of)].map(String)]));
        const sorted = orderOf(needs);
        if ("order" in sorted) {
          expect(sorted.order).toHaveLength(needs.size);
          const place = new Map(sorted.order.map((id, index) => [id, index]));
          for (const [id, of] of needs) {
            for (const need of of) expect(place.get(need)).toBeLessThan(place.get(id) ?? -1);
          }
        } else {
          expect(sorted.circle.length).toBeGreaterThan(0);
          // Every member of a circle is needed by another, and needs another.
          for (const id of sorted.circle) {
            expect(needs.get(id)?.some((need) => sorted.circle.includes(need))).toBe(true);
            expect(sorted.circle.some((other) => needs.get(other)?.includes(id))).toBe(true);
          }
        }
      }),
    );
  });
});

describe("physical names", () => {
  const name = (stackName: string, logicalId: string, lengthMax: number, lowerCase = false) =>
    physicalName({ stackName, logicalId, rule: { property: "Name", lengthMax, lowerCase } }, countingIds());

  it("keep to the length of the type and end with the suffix", () => {
    expect(name("front", "Listener", 64)).toBe("front-Listener-000000000001");
    expect(name("front", "TheMonolithTargetGroup", 32)).toBe("front-TheMonolithTa-000000000001");
    expect(name("a-very-long-stack-name-indeed", "TheMonolithTargetGroup", 32)).toHaveLength(32);
    expect(name("Shop", "Bucket", 63, true)).toBe("shop-bucket-000000000001");
  });

  it("are legal wherever they are cut", () => {
    const names = fc.stringMatching(/^[a-zA-Z][-a-zA-Z0-9]{0,127}$/);
    const ids = fc.stringMatching(/^[a-zA-Z0-9]{1,255}$/);
    fc.assert(
      fc.property(names, ids, fc.constantFrom(32, 63, 64, 255), (stackName, logicalId, lengthMax) => {
        const made = name(stackName, logicalId, lengthMax);
        expect(made.length).toBeLessThanOrEqual(lengthMax);
        expect(made).toMatch(/^[a-zA-Z][-a-zA-Z0-9]*-[A-Z0-9]{12}$/);
      }),
    );
  });
});

describe("template URLs", () => {
  it.each([
    ["https://s3.amazonaws.com/code/a/b.yaml", { bucket: "code", key: "a/b.yaml" }],
    ["https://s3.eu-west-1.amazonaws.com/code/b.yaml?versionId=3", { bucket: "code", key: "b.yaml", versionId: "3" }],
    ["https://code.s3.amazonaws.com/b%20c.yaml", { bucket: "code", key: "b c.yaml" }],
    ["https://my.code.s3.us-west-2.amazonaws.com/b.yaml", { bucket: "my.code", key: "b.yaml" }],
    ["http://127.0.0.1:4566/code/b.yaml", { bucket: "code", key: "b.yaml" }],
    ["http://localhost:4566/code/b.yaml", { bucket: "code", key: "b.yaml" }],
    ["http://code.s3.localhost:4566/b.yaml", { bucket: "code", key: "b.yaml" }],
    ["https://mikan.example.com/code/b.yaml", { bucket: "code", key: "b.yaml" }],
  ])("%s", (url, location) => {
    expect(templateLocation(url, ["mikan.example.com"])).toEqual(location);
  });

  it.each([
    ["https://example.com/code/b.yaml", "TemplateURL must be a supported URL."],
    ["https://s3.amazonaws.com.example.com/code/b.yaml", "TemplateURL must be a supported URL."],
    ["file:///etc/passwd", "TemplateURL must be a supported URL."],
    ["code/b.yaml", "TemplateURL must be a supported URL."],
    ["http://127.0.0.1:4566/code/%zz", "TemplateURL must be a supported URL."],
    ["http://169.254.169.254/latest/meta-data", "TemplateURL must be a supported URL."],
    ["s3://code/b.yaml", "S3 error: Domain name specified in code is not a valid S3 domain"],
    ["https://s3.amazonaws.com/code", "TemplateURL must reference a valid S3 object to which you have access."],
  ])("%s is refused", (url, message) => {
    expect(() => templateLocation(url, [])).toThrow(message);
  });
});

/** The committed specification, and the house's resource types beside it. */
import { describe, expect, it } from "vitest";
import { resourceTypes } from "../../../offline.ts";
import { loadSpecification, readSpecification } from "./types.ts";

describe("the specification", () => {
  const specification = loadSpecification();

  it("has every type of AWS, and each can be read", () => {
    expect(specification.names.length).toBeGreaterThan(1_800);
    for (const name of specification.names) expect(specification.typeOf(name)?.name).toBe(name);
    expect(specification.typeOf("AWS::Foo::Bar")).toBeUndefined();
  });

  it("says what a property must be, and what its change does", () => {
    const type = specification.typeOf("AWS::Lambda::Function");
    expect(type?.identifier).toEqual(["FunctionName"]);
    expect(type?.properties.get("FunctionName")).toEqual({
      name: "FunctionName",
      type: { kind: "string" },
      required: false,
      replaces: "always",
    });
    expect(type?.properties.get("Code")).toMatchObject({ required: true, type: { kind: "structure" } });
    expect(type?.properties.get("PackageType")?.type).toEqual({ kind: "enumeration", values: ["Image", "Zip"] });
    expect(type?.attributes.get("Arn")).toEqual({ kind: "string" });
  });

  it("may hold structures within themselves", () => {
    const own = readSpecification('{\n"A":{"properties":{"B!":"@B"},"structures":{"B":{"B?":"[]@B"}}}\n}\n');
    const inner = own.typeOf("A")?.properties.get("B")?.type;
    expect(inner).toMatchObject({ kind: "structure", structure: { name: "B" } });
    expect(inner?.kind === "structure" && inner.structure.properties.get("B")?.type).toEqual({
      kind: "list",
      of: inner,
    });
  });

  it("has every property and type that Mikan's resources have", async () => {
    for (const [name, { properties }] of await resourceTypes()) {
      const type = specification.typeOf(name);
      expect(type, name).toBeDefined();
      expect(
        properties.filter((property) => type?.properties.has(property) !== true),
        name,
      ).toEqual([]);
    }
  });
});

import { afterEach, describe, expect, it } from "vitest";
import type { JsonObject } from "./json.ts";
import { startNode, type Node } from "./node.suite.ts";
import { policyRefusal, type PolicyQuestion } from "./stack-policy.ts";

const nodes: Node[] = [];
afterEach(async () => {
  for (const started of nodes.splice(0)) await started.close();
});

const thing = (properties: JsonObject) => ({ Type: "Test::Thing", Properties: properties });
const body = (Resources: JsonObject) => JSON.stringify({ Resources });
const allow = { Effect: "Allow", Action: "Update:*", Principal: "*", Resource: "*" };
const policy = (...Statement: JsonObject[]) => JSON.stringify({ Statement });
const denying = (Action: string | string[], rest: JsonObject = { Resource: "LogicalResourceId/A" }) =>
  policy(allow, { Effect: "Deny", Action, Principal: "*", ...rest });

const a: PolicyQuestion = { action: "Update:Modify", logicalId: "A", type: "AWS::RDS::DBInstance" };
const no = (action: string, statement = 2) =>
  `Action denied by stack policy: Statement [#${statement}] does not allow [${action}] for resource [LogicalResourceId/A];`;
const likeRds = { Condition: { StringLike: { ResourceType: ["AWS::RDS::*"] } }, Resource: "*" };
const isQueue = { Condition: { StringEquals: { ResourceType: "AWS::SQS::Queue" } }, Resource: "*" };

/** Rules of the user guide, "Prevent updates to stack resources". */
const rules: readonly [string, string | undefined, Partial<PolicyQuestion>, string | undefined][] = [
  ["no policy", undefined, {}, undefined],
  ["everything allowed", policy(allow), {}, undefined],
  [
    "nothing said of it",
    policy({ ...allow, Resource: "LogicalResourceId/B" }),
    {},
    "Action not allowed by stack policy",
  ],
  ["a resource denied", denying("Update:*"), {}, no("Update:Modify")],
  ["another resource denied", denying("Update:*"), { logicalId: "B" }, undefined],
  ["another action denied", denying("Update:Replace"), {}, undefined],
  [
    "one of several actions",
    denying(["Update:Replace", "Update:Delete"]),
    { action: "Update:Delete" },
    no("Update:Delete"),
  ],
  [
    "a wildcard in a name",
    denying("Update:*", { Resource: "LogicalResourceId/Prod*" }),
    { logicalId: "Prod.1" },
    no("Update:Modify").replace("/A]", "/Prod.1]"),
  ],
  [
    "all but one",
    policy({ ...allow, Resource: undefined, NotResource: "LogicalResourceId/A" } as never),
    {},
    "Action not allowed by stack policy",
  ],
  [
    "all but one, another",
    policy({ ...allow, Resource: undefined, NotResource: "LogicalResourceId/A" } as never),
    { logicalId: "B" },
    undefined,
  ],
  ["types like these", denying("Update:*", likeRds), {}, no("Update:Modify")],
  ["types like these, another", denying("Update:*", likeRds), { type: "AWS::S3::Bucket" }, undefined],
  ["this very type", denying("Update:*", isQueue), { type: "AWS::SQS::Queue" }, no("Update:Modify")],
  ["this very type, another", denying("Update:*", isQueue), {}, undefined],
];

describe("a stack policy", () => {
  it.each(rules)("%s", (_, text, question, refusal) => {
    expect(policyRefusal(text, { ...a, ...question })).toBe(refusal);
  });
});

async function stackOf(StackPolicyBody: string, resources: JsonObject): Promise<Node> {
  const node = await startNode();
  nodes.push(node);
  await node.send("CreateStack", { StackName: "s", TemplateBody: body(resources), StackPolicyBody });
  expect((await node.settled("s")).status).toBe("CREATE_COMPLETE");
  node.world.log.length = 0;
  return node;
}

async function update(node: Node, resources: JsonObject, rest: object = {}) {
  const from = (await node.story("s")).length;
  await node.send("UpdateStack", { StackName: "s", TemplateBody: body(resources), ...rest });
  const { status } = await node.settled("s");
  return { status, story: (await node.story("s")).slice(from) };
}

const before = { A: thing({ Value: "1", Port: 1 }), B: thing({}) };
/** What the update does, and what of it the policy forbids. */
const forbidden: readonly [string, string, JsonObject][] = [
  ["Modify", "Update:Modify", { A: thing({ Value: "2", Port: 1 }), B: thing({}) }],
  ["Replace", "Update:Replace", { A: thing({ Value: "1", Port: 2 }), B: thing({}) }],
  ["Delete", "Update:Delete", { B: thing({}) }],
];

describe("an update under a stack policy", () => {
  it.each(forbidden)("fails for what it forbids, and is rolled back: %s", async (_, action, after) => {
    const node = await stackOf(denying(action), before);
    const { status, story } = await update(node, after);
    expect(status).toBe("UPDATE_ROLLBACK_COMPLETE");
    expect(story).toContain(`A UPDATE_FAILED: ${no(action)}`);
    expect(story).toContain("s UPDATE_ROLLBACK_IN_PROGRESS: The following resource(s) failed to update: [A]. ");
    expect(node.world.log).toEqual([]);
    expect(node.world.alive).toEqual(["A", "B"]);
    // For this update alone.
    const allowed = await update(node, after, { StackPolicyDuringUpdateBody: policy(allow) });
    expect(allowed.status).toBe("UPDATE_COMPLETE");
    expect((await node.send("GetStackPolicy", { StackName: "s" })).StackPolicyBody).toBe(denying(action));
    expect((await update(node, before)).status).toBe(
      action === "Update:Delete" ? "UPDATE_COMPLETE" : "UPDATE_ROLLBACK_COMPLETE",
    );
  });

  it("adds what it likes, and leaves other changes alone", async () => {
    const node = await stackOf(policy({ ...allow, Resource: "LogicalResourceId/B" }), before);
    const { status } = await update(node, { ...before, B: thing({ Value: "2" }), C: thing({}) });
    expect(status).toBe("UPDATE_COMPLETE");
    expect(node.world.log.toSorted()).toEqual(["create C", "update B"]);
  });

  it("is held to the former policy, and brings its own into force when it is over", async () => {
    const node = await stackOf(policy(allow), before);
    const closed = { StackPolicyBody: denying("Update:*") };
    const changed = { ...before, A: thing({ Value: "2", Port: 1 }) };
    expect((await update(node, changed, closed)).status).toBe("UPDATE_COMPLETE");
    expect((await update(node, before)).status).toBe("UPDATE_ROLLBACK_COMPLETE");
    // One that fails changes the policy as little as the rest.
    expect((await update(node, before, { StackPolicyBody: policy(allow) })).status).toBe("UPDATE_ROLLBACK_COMPLETE");
    expect((await node.send("GetStackPolicy", { StackName: "s" })).StackPolicyBody).toBe(closed.StackPolicyBody);
    await node.send("SetStackPolicy", { StackName: "s", StackPolicyBody: policy(allow) });
    expect((await update(node, before)).status).toBe("UPDATE_COMPLETE");
  });
});

const wrong: readonly [string, string][] = [
  ["no JSON", "{"],
  ["no statement", "{}"],
  ["a principal", policy({ ...allow, Principal: "arn:aws:iam::000000000000:user/ann" })],
  ["an action", policy({ ...allow, Action: "s3:*" })],
  ["a resource", policy({ ...allow, Resource: "A" })],
  ["an effect", policy({ ...allow, Effect: "Perhaps" })],
  ["a condition", policy({ ...allow, Condition: { StringEquals: { Name: "x" } } })],
  ["an element", policy({ ...allow, Other: "x" })],
];

describe("what is no stack policy", () => {
  it.each(wrong)("is refused: %s", async (_, StackPolicyBody) => {
    const node = await startNode();
    nodes.push(node);
    await expect(
      node.send("CreateStack", { StackName: "s", TemplateBody: body(before), StackPolicyBody }),
    ).rejects.toThrow("Error validating stack policy");
  });
});

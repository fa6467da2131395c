/** GetTemplate, GetTemplateSummary, ValidateTemplate: a template, and what can be said of it without running it. */
import type { Call } from "../../kit/call.ts";
import type { Handlers, OutputOf } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import { sql } from "../../store/sql.ts";
import type { Row } from "../../store/tables.ts";
import { neededCapability, type Needed } from "./capabilities.ts";
import { nameFindings } from "./check.ts";
import { ownChangeSet } from "./change-set-lookup.ts";
import { invalid, unsupported } from "./faults.ts";
import { refuse } from "./findings.ts";
import { ownStack } from "./lookup.ts";
import type { ParameterDeclaration } from "./parameters.ts";
import type { SourceReader } from "./source-reader.ts";
import { outlineOf, templateText, type TemplateInput } from "./submitted.ts";
import { ofStack, templates } from "./tables.ts";
import { typesIn, type Template } from "./template.ts";

type Client = typeof import("@aws-sdk/client-cloudformation");
type Capabilities = OutputOf<Client, "ValidateTemplate">["Capabilities"];

export function templateOperations(deps: Deps, reader: SourceReader) {
  const storedTemplate = (name: string, call: Call) =>
    deps.store.read(async (tx) => {
      const stack = await ownStack(tx, name, call);
      const row = await tx.one<Row<typeof templates>>(
        sql`select ${templates.columns} from ${templates.name} where ${ofStack(stack)}`,
      );
      if (row === undefined) throw invalid(`Stack with id ${name} does not exist`);
      return row;
    });

  return {
    async GetTemplate({ StackName: name, ChangeSetName: changeSet, TemplateStage: stage }, call) {
      if (changeSet !== undefined) {
        const { row } = await deps.store.read((tx) => ownChangeSet(tx, changeSet, name, call));
        const body = stage === "Processed" && row.transformed ? JSON.stringify(row.processed) : row.original;
        return { TemplateBody: body, StagesAvailable: ["Original", "Processed"] };
      }
      if (name === undefined) throw invalid("StackName is required if ChangeSetName is not specified.");
      const { original, processed, transformed } = await storedTemplate(name, call);
      const body = stage === "Processed" && transformed ? JSON.stringify(processed) : original;
      return { TemplateBody: body, StagesAvailable: ["Original", "Processed"] };
    },

    async ValidateTemplate(input, call) {
      const text = await templateText(input, deps, call);
      const { template, transforms } = outlineOf(await reader.read(text));
      // A transform may bring types and names that are not there yet. AWS looks at no properties here.
      if (transforms.length === 0) {
        await deps.openTypes(typesIn(template));
        await refuse(nameFindings(template, deps.resourceType), text, reader);
      }
      const parameters = [...template.parameters].map(([key, declaration]) => ({
        ParameterKey: key,
        ...declared(declaration),
        NoEcho: declaration.noEcho,
      }));
      return { Parameters: parameters, ...aboutOf(template, transforms) };
    },

    async GetTemplateSummary(input, call) {
      if (input.StackSetName !== undefined) throw unsupported("StackSetName of GetTemplateSummary");
      const { template, transforms } = outlineOf(await reader.read(await summaryText(input, call)));
      const parameters = [...template.parameters].map(([key, declaration]) => ({
        ParameterKey: key,
        ParameterType: declaration.type,
        ...declared(declaration),
        NoEcho: declaration.noEcho,
        ParameterConstraints:
          declaration.allowedValues === undefined ? {} : { AllowedValues: [...declaration.allowedValues] },
      }));
      const types = typesIn(template);
      return {
        Parameters: parameters,
        ...aboutOf(template, transforms),
        ResourceTypes: types,
        ...(template.version === undefined ? {} : { Version: template.version }),
        ...(Object.keys(template.metadata).length === 0 ? {} : { Metadata: JSON.stringify(template.metadata) }),
        ResourceIdentifierSummaries: types.map((type) => ({
          ResourceType: type,
          LogicalResourceIds: [...template.resources].flatMap(([id, resource]) => (resource.type === type ? [id] : [])),
        })),
      };
    },
  } satisfies Handlers<Client>;

  async function summaryText(input: TemplateInput & { StackName?: string | undefined }, call: Call): Promise<string> {
    const given = [input.TemplateBody, input.TemplateURL, input.StackName].filter((value) => value !== undefined);
    if (given.length > 1) throw invalid("Only one of StackName, TemplateBody or TemplateURL can be specified.");
    return input.StackName === undefined
      ? templateText(input, deps, call)
      : (await storedTemplate(input.StackName, call)).original;
  }
}

function declared({ default: value, description }: ParameterDeclaration) {
  return {
    ...(value === undefined ? {} : { DefaultValue: value }),
    ...(description === undefined ? {} : { Description: description }),
  };
}

function aboutOf(template: Template, transforms: readonly string[]) {
  const needed: Needed | undefined =
    transforms.length > 0
      ? { capability: "CAPABILITY_AUTO_EXPAND", types: transforms }
      : neededCapability(template.resources);
  const capabilities: Capabilities = needed === undefined ? [] : [needed.capability];
  return {
    ...(template.description === undefined ? {} : { Description: template.description }),
    ...(needed === undefined
      ? {}
      : {
          Capabilities: capabilities,
          CapabilitiesReason: `The following resource(s) require capabilities: [${needed.types.join(", ")}]`,
        }),
    ...(transforms.length === 0 ? {} : { DeclaredTransforms: [...transforms] }),
  };
}

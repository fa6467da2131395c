/** `AWS::Serverless::Application`: a template of its own as a nested stack. */
import { isMap, member, type JsonObject } from "../json.ts";
import { badResource } from "./errors.ts";
import { inherited, membersOf, samTags, type Expand } from "./expansion.ts";
import { checkProperties, type Kinds } from "./properties.ts";

const kinds: Kinds = {
  Location: "mapOrText!",
  Parameters: "map",
  NotificationARNs: "list",
  Tags: "map",
  TimeoutInMinutes: "integer",
};

export const expandApplication: Expand = ({ logicalId, resource, properties }) => {
  const location = member(properties, "Location");
  if (location === undefined) throw badResource(logicalId, "Resource is missing the required [Location] property.");
  checkProperties(logicalId, "AWS::Serverless::Application", properties, kinds);
  if (isMap(location)) {
    throw badResource(
      logicalId,
      "Mikan does not implement applications of the Serverless Application Repository; 'Location' must be the URL of a template.",
    );
  }
  const stack: JsonObject = {
    ...membersOf(resource, ["DependsOn", ...inherited]),
    Type: "AWS::CloudFormation::Stack",
    Properties: {
      ...membersOf(properties, ["Parameters", "NotificationARNs", "TimeoutInMinutes"]),
      Tags: samTags(logicalId, properties),
      TemplateURL: location,
    },
  };
  return { resources: { [logicalId]: stack } };
};

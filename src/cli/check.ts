/** `mikan check`: says what is wrong with a template, and where, before anybody deploys it. */
import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { checkTemplate, type OfflineReport } from "../offline.ts";
import { places } from "./artifacts.ts";
import { say, UserError, type Command } from "./command.ts";
import { pair, readParameters } from "./parameters.ts";

type Finding = OfflineReport["findings"][number];

const labels = { error: "error", unsupported: "not in Mikan yet", warning: "warning" } as const;
/** Findings that are printed; the others are counted. */
const findingsShownMax = 100;
/** Longer lines of a template are not shown: they are JSON on one line. */
const lineLengthMax = 160;

/** The finding as a compiler prints it: place, message, the line with what is wrong in it. */
function printed(file: string, lines: readonly string[], { severity, path, message, position }: Finding): string {
  const place = position === undefined ? file : `${file}:${position.line}:${position.column}`;
  const head = `${place}: ${labels[severity]}: ${message}`;
  const at = path === "" ? [] : [`  at ${path}`];
  const line = position === undefined ? undefined : lines[position.line - 1];
  if (position === undefined || line === undefined || line.length > lineLengthMax) return [head, ...at].join("\n");
  const number = String(position.line);
  const marks = "^".repeat(Math.max(1, Math.min(position.length, line.length - position.column + 1)));
  return [
    head,
    ...at,
    `  ${number} | ${line}`,
    `  ${" ".repeat(number.length)} | ${" ".repeat(position.column - 1)}${marks}`,
  ].join("\n");
}

function counted(count: number, one: string, many = `${one}s`): readonly string[] {
  return count === 0 ? [] : [`${count} ${count === 1 ? one : many}`];
}

function summary({ findings, resources }: OfflineReport): string {
  const of = (severity: Finding["severity"]) => findings.filter((finding) => finding.severity === severity).length;
  const parts = [
    ...counted(of("error"), "error"),
    ...counted(
      of("unsupported"),
      "thing that AWS has and Mikan does not yet",
      "things that AWS has and Mikan does not yet",
    ),
    ...counted(of("warning"), "warning"),
  ];
  return `${counted(resources, "resource").join("") || "No resources"}: ${parts.join(", ") || "nothing wrong"}`;
}

export const check: Command = {
  summary: "say what is wrong with a template, without a node",
  usage: `mikan check TEMPLATE [--parameters FILE] [--parameter KEY=VALUE]... [--region REGION]

  Checks a CloudFormation or SAM template, YAML or JSON, against AWS's own specification of
  its resource types: names, structure, values, references. Says as well what AWS has and
  Mikan does not run yet.

  --parameters, --parameter   check with these values: conditions and rules are decided, and
                              a parameter that has no value is an error

  The exit code is 1 where something is wrong or not in Mikan yet; warnings alone are fine.`,
  async run(args) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        parameters: { type: "string" },
        parameter: { type: "string", multiple: true, default: [] },
        region: { type: "string", default: "us-east-1" },
      },
    });
    const [file, ...more] = positionals;
    if (file === undefined || more.length > 0) throw new UserError("check takes one template: mikan check TEMPLATE");
    const text = await readFile(file, "utf8").catch((cause: unknown) => {
      throw new UserError(`Cannot read the template ${file}`, { cause });
    });
    const given = values.parameters !== undefined || values.parameter.length > 0;
    const parameters: Record<string, string> = {
      ...(values.parameters === undefined ? {} : await readParameters(values.parameters)),
      ...Object.assign({}, ...values.parameter.map(pair)),
    };
    const report = await checkTemplate(text, {
      region: values.region,
      localFiles: places,
      ...(given ? { parameters } : {}),
    });
    const lines = text.replace(/^\uFEFF/, "").split("\n");
    const shown = report.findings.slice(0, findingsShownMax);
    const left = report.findings.length - shown.length;
    // In one write: who reads only the first lines of it may be gone for a second.
    say(
      [
        ...shown.map((finding) => `${printed(file, lines, finding)}\n`),
        ...(left === 0 ? [] : [`${left} more are not shown.\n`]),
        `${file}: ${summary(report)}`,
      ].join("\n"),
    );
    return report.findings.some(({ severity }) => severity !== "warning") ? 1 : 0;
  },
};

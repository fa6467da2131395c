/** Texts to phones: they end in the outbox, and nobody has opted out. */
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import { sql } from "../../store/sql.ts";
import { upsert } from "../../store/tables.ts";
import type { SnsDeps } from "./deps.ts";
import { invalid } from "./faults.ts";
import { takeMessage, textFor, type Entry } from "./messages.ts";
import { keep } from "./outbox.ts";
import { isIn, smsSettings, type Attributes, type SmsSettingsRow } from "./tables.ts";

/** E.164. */
const numberPattern = /^\+[1-9][0-9]{6,14}$/;
const noTopic = { isFifo: false, deduplicatesByContent: false };

/** Publish to a phone number. Gives the message's id. */
export async function publishText(deps: SnsDeps, number: string, entry: Entry, call: Call): Promise<string> {
  if (!numberPattern.test(number)) throw invalid(`PhoneNumber Reason: ${number} is not valid to publish to`);
  const { message } = takeMessage(noTopic, entry, deps.ids.uuid(), deps.clock.now());
  const { account, region } = call;
  const letter = { protocol: "sms", recipient: number, subject: undefined, body: textFor(message, "sms") };
  await keep(deps, { ...letter, topicArn: undefined, messageId: message.id, key: message.id }, { account, region });
  return message.id;
}

/** Source: API reference, SetSMSAttributes. */
const settingRules: Readonly<Record<string, RegExp>> = {
  MonthlySpendLimit: /^\d{1,9}$/,
  DeliveryStatusIAMRole: /^(?:arn:aws[\w-]*:iam::\d{12}:role\/.+)?$/,
  DeliveryStatusSuccessSamplingRate: /^(?:100|\d{1,2})$/,
  DefaultSenderID: /^[A-Za-z0-9]{0,11}$/,
  DefaultSMSType: /^(?:Promotional|Transactional)$/,
  UsageReportS3Bucket: /^.{0,63}$/,
};

function checkSettings(given: Attributes): void {
  for (const [name, value] of Object.entries(given)) {
    const rule = Object.hasOwn(settingRules, name) ? settingRules[name] : undefined;
    if (rule === undefined) throw invalid(`${name} is not a valid attribute`);
    if (!rule.test(value)) throw invalid(`${name} Reason: ${value} is not valid`);
  }
}

export function textOperations({ store }: SnsDeps) {
  const settingsOf = async (call: Call) => {
    const row = await store.read((tx) =>
      tx.one<SmsSettingsRow>(sql`select ${smsSettings.columns} from ${smsSettings.name} where ${isIn(call)}`),
    );
    return row?.attributes ?? {};
  };
  return {
    async CheckIfPhoneNumberIsOptedOut() {
      return { isOptedOut: false };
    },
    async ListPhoneNumbersOptedOut() {
      return { phoneNumbers: [] };
    },
    async OptInPhoneNumber() {
      return {};
    },
    async GetSMSSandboxAccountStatus() {
      return { IsInSandbox: false };
    },
    async ListSMSSandboxPhoneNumbers() {
      return { PhoneNumbers: [] };
    },
    async ListOriginationNumbers() {
      return { PhoneNumbers: [] };
    },
    async SetSMSAttributes({ attributes: given }, call) {
      const { account, region } = call;
      checkSettings(given);
      const attributes = { ...(await settingsOf(call)), ...given };
      await store.tx((tx) => tx.run(upsert(smsSettings, { account, region, attributes })));
      return {};
    },
    async GetSMSAttributes({ attributes: names = [] }, call) {
      const settings = Object.entries(await settingsOf(call));
      return {
        attributes: Object.fromEntries(settings.filter(([name]) => names.length === 0 || names.includes(name))),
      };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-sns")>;
}

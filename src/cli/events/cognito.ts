/** The triggers of a Cognito user pool. Source: Cognito guide, "Customizing user pool workflows with Lambda triggers". */
import { template, type EventTemplate } from "./template.ts";

const guide = "https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda";

interface Trigger {
  name: string;
  summary: string;
  /** The end of the page's name. */
  page: string;
  triggerSource: string;
  /** Beside the user's attributes. */
  request: object;
  response: object;
}

/** One row for each, with the trigger that sam shows. */
const triggers: readonly Trigger[] = [
  {
    name: "cognito-presignup",
    summary: "before somebody signs up",
    page: "pre-sign-up",
    triggerSource: "PreSignUp_SignUp",
    request: { validationData: {}, clientMetadata: {} },
    response: { autoConfirmUser: false, autoVerifyEmail: false, autoVerifyPhone: false },
  },
  {
    name: "cognito-postconfirmation",
    summary: "after somebody has confirmed",
    page: "post-confirmation",
    triggerSource: "PostConfirmation_ConfirmSignUp",
    request: { clientMetadata: {} },
    response: {},
  },
  {
    name: "cognito-preauthentication",
    summary: "before somebody signs in",
    page: "pre-authentication",
    triggerSource: "PreAuthentication_Authentication",
    request: { validationData: {}, userNotFound: false },
    response: {},
  },
  {
    name: "cognito-postauthentication",
    summary: "after somebody has signed in",
    page: "post-authentication",
    triggerSource: "PostAuthentication_Authentication",
    request: { newDeviceUsed: false, clientMetadata: {} },
    response: {},
  },
  {
    name: "cognito-pretokengen",
    summary: "before tokens are made",
    page: "pre-token-generation",
    triggerSource: "TokenGeneration_Authentication",
    request: {
      groupConfiguration: { groupsToOverride: [], iamRolesToOverride: [], preferredRole: null },
      clientMetadata: {},
    },
    response: { claimsOverrideDetails: null },
  },
  {
    name: "cognito-custommessage",
    summary: "a message that is sent",
    page: "custom-message",
    triggerSource: "CustomMessage_SignUp",
    request: { codeParameter: "{####}", usernameParameter: null, clientMetadata: {} },
    response: { smsMessage: null, emailMessage: null, emailSubject: null },
  },
  {
    name: "cognito-defineauthchallenge",
    summary: "which challenge comes next",
    page: "define-auth-challenge",
    triggerSource: "DefineAuthChallenge_Authentication",
    request: { session: [], userNotFound: false, clientMetadata: {} },
    response: { challengeName: null, issueTokens: null, failAuthentication: null },
  },
  {
    name: "cognito-createauthchallenge",
    summary: "a challenge that is made",
    page: "create-auth-challenge",
    triggerSource: "CreateAuthChallenge_Authentication",
    request: { challengeName: "CUSTOM_CHALLENGE", session: [], userNotFound: false, clientMetadata: {} },
    response: { publicChallengeParameters: null, privateChallengeParameters: null, challengeMetadata: null },
  },
  {
    name: "cognito-verifyauthchallenge",
    summary: "an answer to a challenge",
    page: "verify-auth-challenge-response",
    triggerSource: "VerifyAuthChallengeResponse_Authentication",
    request: {
      privateChallengeParameters: { answer: "5" },
      challengeAnswer: "5",
      userNotFound: false,
      clientMetadata: {},
    },
    response: { answerCorrect: null },
  },
  {
    name: "cognito-usermigration",
    summary: "a user who is elsewhere so far",
    page: "migrate-user",
    triggerSource: "UserMigration_Authentication",
    request: { password: "password", validationData: {}, clientMetadata: {} },
    response: {
      userAttributes: null,
      finalUserStatus: null,
      messageAction: null,
      desiredDeliveryMediums: null,
      forceAliasCreation: null,
    },
  },
];

export const cognito: readonly EventTemplate[] = triggers.map(
  ({ name, summary, page, triggerSource, request, response }) =>
    template({
      name,
      summary: `${summary}, in a user pool of Cognito`,
      source: `${guide}-${page}.html`,
      parameters: {
        pool: "us-east-1_example",
        user: "user",
        email: "user@example.com",
        client: "1example23456789",
        trigger: triggerSource,
      },
      event: ({ pool, user, email, client, trigger }, { region }) => ({
        version: "1",
        region,
        userPoolId: pool,
        userName: user,
        callerContext: { awsSdkVersion: "aws-sdk-unknown-unknown", clientId: client },
        triggerSource: trigger,
        request: { userAttributes: { sub: user, email_verified: "true", email }, ...request },
        response,
      }),
    }),
);

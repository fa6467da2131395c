/** Instance profiles: the box in which EC2 and ECS hand a role to a machine. It holds one role. */
import { globalRegion, type Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx } from "../../store/store.ts";
import { assign, insert } from "../../store/tables.ts";
import { admitName, arnOf, fault, mergeTags, pageByName, pageOfTable } from "./entities.ts";
import { instanceProfilesMax } from "./limits.ts";
import { describedRole, existingRole } from "./roles.ts";
import { findNamed, instanceProfiles, isRow, roles, type InstanceProfile, type Tag } from "./tables.ts";

export const profileArn = (profile: InstanceProfile) => arnOf("instance-profile", profile);

export async function existingProfile(tx: ReadTx, account: string, name: string): Promise<InstanceProfile> {
  const profile = await findNamed(tx, instanceProfiles, account, name);
  if (profile === undefined) throw fault("NoSuchEntityException", `Instance Profile ${name} cannot be found.`);
  return profile;
}

export async function describedProfile(tx: ReadTx, profile: InstanceProfile) {
  const role = profile.role_name === null ? undefined : await findNamed(tx, roles, profile.account, profile.role_name);
  return {
    Path: profile.path,
    InstanceProfileName: profile.name,
    InstanceProfileId: profile.id,
    Arn: profileArn(profile),
    CreateDate: new Date(profile.created_ms),
    Roles: role === undefined ? [] : [describedRole(role)],
    ...(profile.tags.length === 0 ? {} : { Tags: profile.tags }),
  };
}

export interface NewProfile {
  name: string;
  path?: string | undefined;
  tags?: readonly Tag[];
  role?: string;
  token?: string;
}

/** Creates an instance profile; a second call with the same token gives the one that the first made. */
export function profileCreation({ store, ids, clock }: Deps) {
  return async (input: NewProfile, call: Call): Promise<InstanceProfile> => {
    const row: InstanceProfile = {
      account: call.account,
      region: globalRegion,
      name: input.name,
      id: `AIPA${ids.suffix(17)}`,
      path: input.path ?? "/",
      created_ms: clock.now(),
      role_name: input.role ?? null,
      tags: mergeTags("InstanceProfile", [], input.tags ?? []),
      token: input.token ?? null,
    };
    return store.tx(async (tx) => {
      const { account, name } = row;
      const present = await findNamed(tx, instanceProfiles, account, name);
      if (present !== undefined && present.token !== null && present.token === row.token) return present;
      if (present !== undefined) {
        throw fault("EntityAlreadyExistsException", `Instance Profile ${name} already exists.`);
      }
      const quota = "InstanceProfilesPerAccount";
      await admitName(tx, instanceProfiles, {
        title: "Instance Profile",
        quota,
        max: instanceProfilesMax,
        account,
        name,
      });
      if (row.role_name !== null) await existingRole(tx, account, row.role_name);
      await tx.run(insert(instanceProfiles, row));
      return row;
    });
  };
}

export const profilesWith = (tx: ReadTx, account: string, role: string, after: string, limit: number) =>
  tx.all<InstanceProfile>(sql`select ${instanceProfiles.columns} from ${instanceProfiles.name}
    where account = ${account} and region = ${globalRegion} and role_name = ${role} and name > ${after}
    order by name limit ${limit}`);

export function instanceProfileOperations(deps: Deps) {
  const { store } = deps;
  const create = profileCreation(deps);
  const change = (
    call: Call,
    name: string,
    changes: (profile: InstanceProfile, tx: ReadTx) => Promise<Partial<InstanceProfile>>,
  ) =>
    store.tx(async (tx) => {
      const profile = await existingProfile(tx, call.account, name);
      const values = assign(instanceProfiles, await changes(profile, tx));
      await tx.run(sql`update ${instanceProfiles.name} set ${values} where ${isRow(profile)}`);
      return {};
    });
  const described = (rows: readonly InstanceProfile[]) =>
    store.read(async (tx) => {
      const shown: Awaited<ReturnType<typeof describedProfile>>[] = [];
      for (const row of rows) shown.push(await describedProfile(tx, row));
      return shown;
    });

  return {
    async CreateInstanceProfile({ InstanceProfileName: name, Path: path, Tags: tags = [] }, call) {
      const profile = await create({ name, path, tags }, call);
      return { InstanceProfile: await store.read((tx) => describedProfile(tx, profile)) };
    },

    GetInstanceProfile: ({ InstanceProfileName: name }, call) =>
      store.read(async (tx) => ({
        InstanceProfile: await describedProfile(tx, await existingProfile(tx, call.account, name)),
      })),

    async ListInstanceProfiles(input, call) {
      const listing = { operation: "ListInstanceProfiles", input, call };
      const { page, paged } = await pageOfTable(store, instanceProfiles, listing);
      return { InstanceProfiles: await described(page), ...paged };
    },

    async ListInstanceProfilesForRole(input, call) {
      await store.read((tx) => existingRole(tx, call.account, input.RoleName));
      const { page, paged } = await pageByName(
        { operation: "ListInstanceProfilesForRole", filters: input.RoleName, input, call },
        (after, limit) => store.read((tx) => profilesWith(tx, call.account, input.RoleName, after, limit)),
        ({ name }) => name,
      );
      return { InstanceProfiles: await described(page), ...paged };
    },

    AddRoleToInstanceProfile: ({ InstanceProfileName: name, RoleName: role }, call) =>
      change(call, name, async (profile, tx) => {
        await existingRole(tx, call.account, role);
        if (profile.role_name !== null) {
          throw fault("LimitExceededException", "Cannot exceed quota for RolesPerInstanceProfile: 1");
        }
        return { role_name: role };
      }),

    RemoveRoleFromInstanceProfile: ({ InstanceProfileName: name, RoleName: role }, call) =>
      change(call, name, async (profile) => {
        if (profile.role_name !== role)
          throw fault("NoSuchEntityException", `The role with name ${role} cannot be found.`);
        return { role_name: null };
      }),

    DeleteInstanceProfile: ({ InstanceProfileName: name }, call) =>
      store.tx(async (tx) => {
        const profile = await existingProfile(tx, call.account, name);
        if (profile.role_name !== null) {
          throw fault(
            "DeleteConflictException",
            "Cannot delete entity, must remove roles from instance profile first.",
          );
        }
        await tx.run(sql`delete from ${instanceProfiles.name} where ${isRow(profile)}`);
        return {};
      }),

    TagInstanceProfile: (input, call) =>
      change(call, input.InstanceProfileName, async ({ tags }) => ({
        tags: mergeTags("InstanceProfile", tags, input.Tags),
      })),

    UntagInstanceProfile: (input, call) =>
      change(call, input.InstanceProfileName, async ({ tags }) => ({
        tags: tags.filter(({ Key }) => !input.TagKeys.includes(Key)),
      })),

    ListInstanceProfileTags: ({ InstanceProfileName: name }, call) =>
      store.read(async (tx) => ({ Tags: (await existingProfile(tx, call.account, name)).tags, IsTruncated: false })),
  } satisfies Handlers<typeof import("@aws-sdk/client-iam")>;
}

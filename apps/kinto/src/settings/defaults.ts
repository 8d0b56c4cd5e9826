/** What holds without a file of settings: a Kinto that is ready to use, and safe to. */
export const defaultsWithoutFile: Readonly<Record<string, unknown>> = {
  includes: [
    "kinto.plugins.accounts",
    "kinto.plugins.default_bucket",
    "kinto.plugins.history",
    "kinto.plugins.admin",
    "kinto.plugins.openid",
    "kinto_attachment",
  ],
  "multiauth.policies": ["account"],
  account_create_principals: ["system.Everyone"],
  account_password_min_length: 8,
  experimental_permissions_endpoint: true,
  experimental_collection_schema_validation: true,
};

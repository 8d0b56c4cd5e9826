/** Signs anybody in under the name they give. For development only: the password is not looked at. */
import type { AuthenticationPolicy } from "../auth/policy.ts";

export const developmentAuthentication: AuthenticationPolicy = {
  name: "development",
  challenge: 'Basic realm="development"',
  securityScheme: { type: "http", scheme: "basic", description: "Development: any user name, any password." },
  authenticate(request) {
    const credentials = /^Basic ([A-Za-z0-9+/=]+)$/i.exec(request.header("authorization") ?? "")?.[1];
    if (credentials === undefined) return undefined;
    const [user = ""] = Buffer.from(credentials, "base64").toString("utf8").split(":");
    if (user === "") return undefined;
    return { id: `development:${user}`, roles: new Set([user]), claims: {}, policy: "development" };
  },
};

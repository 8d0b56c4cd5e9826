/**
 * `npm run services`: makes sure that what the tests need is on this machine. Chromium, PostgreSQL and Redis come from Debian's packages when they are
 * missing and this user may install packages; of the two that stand for MongoDB, FerretDB is built with Go, mongo-java-server with Maven. Nothing is
 * started: the tests start servers of their own, and the SMTP server of the mail tests comes with the development dependencies.
 */
import { spawnSync } from "node:child_process";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findRedis } from "../packages/rouage/src/cache/redis/test-server.ts";
import { hasStreamingServer, streamingFolder } from "../packages/rouage/src/storage/mongodb/streaming-server.ts";
import { ferretVersion, findFerret } from "../packages/rouage/src/storage/mongodb/test-server.ts";
import { findPostgres } from "../packages/rouage/src/storage/postgres/test-server.ts";
import { buildFerret, hasGo } from "./ferretdb.ts";
import { buildStreamingServer, hasMaven } from "./mongo-java-server.ts";

const chromium = process.env.CHROMIUM_PATH ?? "/usr/bin/chromium";

if (existsSync(chromium)) {
  process.stdout.write(`chromium: ${run(chromium, ["--version"]).trim()}\n`);
} else if (process.env.CHROMIUM_PATH !== undefined) {
  fail(`CHROMIUM_PATH names ${chromium}, which does not exist`);
} else if (process.getuid?.() === 0 && existsSync("/usr/bin/apt-get")) {
  process.stdout.write("chromium: installing from Debian's packages\n");
  run("apt-get", ["update", "-q"]);
  run("apt-get", ["install", "-y", "-q", "--no-install-recommends", "chromium", "fonts-dejavu-core"], {
    DEBIAN_FRONTEND: "noninteractive",
  });
  process.stdout.write(`chromium: ${run(chromium, ["--version"]).trim()}\n`);
} else {
  fail("chromium is missing. Install it (Debian: apt-get install chromium), or name another one in CHROMIUM_PATH");
}

if (process.env.ROUAGE_TEST_POSTGRES !== undefined) {
  process.stdout.write("postgresql: the server that ROUAGE_TEST_POSTGRES names\n");
} else {
  if (findPostgres() === undefined && process.getuid?.() === 0 && existsSync("/usr/bin/apt-get")) {
    process.stdout.write("postgresql: installing from Debian's packages\n");
    run("apt-get", ["update", "-q"]);
    // Without a cluster of its own, which nobody needs.
    run("apt-get", ["install", "-y", "-q", "--no-install-recommends", "postgresql-common"], {
      DEBIAN_FRONTEND: "noninteractive",
    });
    run("sed", [
      "-i",
      "s/^#*create_main_cluster.*/create_main_cluster = false/",
      "/etc/postgresql-common/createcluster.conf",
    ]);
    run("apt-get", ["install", "-y", "-q", "--no-install-recommends", "postgresql"], {
      DEBIAN_FRONTEND: "noninteractive",
    });
  }
  const folder = findPostgres();
  if (folder === undefined) {
    fail(
      "PostgreSQL is missing. Install it (Debian: apt-get install postgresql), or name its programs' folder in POSTGRES_BIN or a server in ROUAGE_TEST_POSTGRES",
    );
  }
  process.stdout.write(`postgresql: ${run(join(folder, "postgres"), ["--version"]).trim()}\n`);
}

if (findRedis() === undefined && process.getuid?.() === 0 && existsSync("/usr/bin/apt-get")) {
  process.stdout.write("redis: installing from Debian's packages\n");
  run("apt-get", ["update", "-q"]);
  withoutStarting(() => {
    run("apt-get", ["install", "-y", "-q", "--no-install-recommends", "redis-server"], {
      DEBIAN_FRONTEND: "noninteractive",
    });
  });
  // Tests start servers of their own; the package's would be one more at every start of the machine.
  run("update-rc.d", ["redis-server", "disable"]);
}
const redis = findRedis();
if (redis === undefined) {
  fail("Redis is missing. Install it (Debian: apt-get install redis-server), or name its program in REDIS_SERVER");
}
process.stdout.write(`redis: ${run(redis, ["--version"]).trim()}\n`);

if (process.env.ROUAGE_TEST_MONGODB !== undefined) {
  process.stdout.write("mongodb: the server that ROUAGE_TEST_MONGODB names\n");
} else {
  if (findFerret() === undefined && !hasGo() && process.getuid?.() === 0 && existsSync("/usr/bin/apt-get")) {
    process.stdout.write("go: installing from Debian's packages\n");
    run("apt-get", ["update", "-q"]);
    run("apt-get", ["install", "-y", "-q", "--no-install-recommends", "golang-go", "ca-certificates"], {
      DEBIAN_FRONTEND: "noninteractive",
    });
  }
  if (findFerret() === undefined && hasGo()) {
    process.stdout.write("mongodb: building FerretDB, which takes a minute or two\n");
    try {
      buildFerret();
    } catch (error) {
      fail(error instanceof Error ? error.message : String(error));
    }
  }
  const ferret = findFerret();
  if (ferret === undefined) {
    fail(
      "FerretDB is missing, and Go to build it with. Install Go, or name the program in FERRETDB_BIN or a server in ROUAGE_TEST_MONGODB",
    );
  }
  process.stdout.write(`mongodb: FerretDB ${ferretVersion}, ${ferret}\n`);
}

if (!hasStreamingServer() && !hasMaven() && process.getuid?.() === 0 && existsSync("/usr/bin/apt-get")) {
  process.stdout.write("maven: installing from Debian's packages\n");
  run("apt-get", ["update", "-q"]);
  run("apt-get", ["install", "-y", "-q", "--no-install-recommends", "maven", "default-jdk-headless"], {
    DEBIAN_FRONTEND: "noninteractive",
  });
}
if (!hasStreamingServer()) {
  if (!hasMaven()) fail("mongo-java-server is missing, and what it is built with. Install a JDK from 17 and Maven");
  process.stdout.write("mongodb: building mongo-java-server\n");
  try {
    buildStreamingServer();
  } catch (error) {
    fail(error instanceof Error ? error.message : String(error));
  }
}
process.stdout.write(`mongodb: mongo-java-server, which has change streams, ${streamingFolder()}\n`);

/** Debian's packages ask this file whether they may start what they bring (policy-rc.d of invoke-rc.d). */
function withoutStarting(install: () => void): void {
  const policy = "/usr/sbin/policy-rc.d";
  const isOurs = !existsSync(policy);
  if (isOurs) writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    install();
  } finally {
    if (isOurs) rmSync(policy);
  }
}

function run(command: string, args: readonly string[], environment: Readonly<Record<string, string>> = {}): string {
  const result = spawnSync(command, args, { encoding: "utf8", env: { ...process.env, ...environment } });
  if (result.status !== 0) fail(`${command} ${args.join(" ")} failed: ${result.error?.message ?? result.stderr}`);
  return result.stdout;
}

function fail(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

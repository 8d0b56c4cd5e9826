/** Refuses to run on another Node.js than the pinned one, in words: npm scripts put the right one first on PATH. */
import { readFileSync } from "node:fs";

const pinned: string = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")).devDependencies
  .node;

if (process.versions.node !== pinned) {
  process.stderr.write(
    `This project runs on Node.js ${pinned} (installed by npm as a dependency); this is ${process.versions.node}. ` +
      "Start it through npm, for example `npm start`.\n",
  );
  process.exit(1);
}

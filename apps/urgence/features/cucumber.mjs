/** Configuration of the stories: what to run and how to report it. */
export default {
  paths: ["features/*.feature"],
  import: ["features/support/*.ts"],
  format: ["progress", "html:../../.artefacts/stories.html"],
  publishQuiet: true,
  strict: true,
};

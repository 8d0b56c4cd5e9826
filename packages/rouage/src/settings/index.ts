/** `rouage/settings`: reading settings by a schema, and INI files, for programs with settings of their own. Re-exports only. */
export { type Ini, type IniEntry, IniError, type IniOptions, type IniProblem, parseIni } from "./ini.ts";
export {
  environmentPrefix,
  expectation,
  readSettings,
  SettingsError,
  type SettingsOf,
  type SettingsProblem,
  type SettingsSources,
} from "./read.ts";
export { type SettingRow, settingsMarkdown, settingsTable } from "./table.ts";

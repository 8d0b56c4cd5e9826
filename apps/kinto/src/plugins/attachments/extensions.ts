/** Which files may be attached, by the ends of their names: Kinto's groups of extensions. */

const documents = ["rtf", "odf", "ods", "gnumeric", "abw", "doc", "docx", "xls", "xlsx"];
const text = ["txt"];
const images = ["jpg", "jpe", "jpeg", "png", "gif", "svg", "bmp"];
const data = ["csv", "ini", "json", "plist", "xml", "yaml", "yml"];

const groups: Readonly<Record<string, readonly string[]>> = {
  text,
  documents,
  images,
  audio: ["wav", "mp3", "aac", "ogg", "oga", "flac"],
  data,
  scripts: ["js", "php", "pl", "py", "rb", "sh"],
  archives: ["gz", "bz2", "zip", "tar", "tgz", "txz", "7z"],
  executables: ["so", "exe", "dll"],
  default: [...text, ...documents, ...images, ...data],
};

/** Lower case, without the dot; undefined: any. */
export type Extensions = ReadonlySet<string> | undefined;

/** Groups and extensions joined by `+`, commas or spaces. */
export function extensionsOf(words: string): Extensions {
  const named = words.toLowerCase().split(/[\s,+]+/);
  if (named.includes("any")) return undefined;
  const extensions = named.flatMap((word) =>
    Object.hasOwn(groups, word) ? (groups[word] ?? []) : word.replace(/^\./, ""),
  );
  return new Set(extensions.filter((extension) => extension !== ""));
}

/** Of a file's name, lower case, without the dot; empty where it has none. */
export function extensionOf(filename: string): string {
  return /^.+\.([^.]+)$/s.exec(filename)?.[1]?.toLowerCase() ?? "";
}

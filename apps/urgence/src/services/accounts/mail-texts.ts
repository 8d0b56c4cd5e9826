/** What we write to people, in French and English. Codes stand in the text, never in the subject: subjects show on locked screens. */
import type { MailMessage } from "../../mail/mail.ts";
import type { Language } from "./account.ts";

export type MailKind =
  | "verification"
  | "already-registered"
  | "reset"
  | "password-changed"
  | "locked"
  | "mfa-on"
  | "mfa-off"
  | "mfa-reset"
  | "inactive"
  | "choose-password"
  | "new-address"
  | "address-changed";

type Text = Pick<MailMessage, "subject" | "text">;

export function mailText(kind: MailKind, language: Language, code: string): Text {
  const { subject, lines } = texts[language][kind](code);
  return { subject: `Urgence – ${subject}`, text: `${[...lines, "", signatures[language]].join("\n")}\n` };
}

const signatures: Readonly<Record<Language, string>> = {
  fr: "Urgence\nCe message est automatique. Nous ne vous demanderons jamais votre mot de passe ni un code par téléphone.",
  en: "Urgence\nThis message is automatic. We will never ask for your password or a code by phone.",
};

type Writer = (code: string) => { readonly subject: string; readonly lines: readonly string[] };

const texts: Readonly<Record<Language, Readonly<Record<MailKind, Writer>>>> = {
  fr: {
    verification: (code) => ({
      subject: "confirmez votre adresse",
      lines: [
        "Bonjour,",
        "",
        "Voici le code qui confirme votre adresse :",
        "",
        `    ${code}`,
        "",
        "Il est valable 15 minutes. Si vous n'avez pas créé de compte, ignorez ce message :",
        "sans confirmation, tout est effacé au bout de 7 jours.",
      ],
    }),
    "already-registered": () => ({
      subject: "vous avez déjà un compte",
      lines: [
        "Bonjour,",
        "",
        "Quelqu'un, sans doute vous, vient de demander un compte avec cette adresse. Vous en avez déjà un :",
        "connectez-vous, ou demandez un nouveau mot de passe si vous l'avez oublié.",
        "",
        "Si ce n'était pas vous, il n'y a rien à faire : votre compte n'a pas changé.",
      ],
    }),
    reset: (code) => ({
      subject: "nouveau mot de passe",
      lines: [
        "Bonjour,",
        "",
        "Voici le code qui permet de choisir un nouveau mot de passe :",
        "",
        `    ${code}`,
        "",
        "Il est valable 15 minutes. Si vous ne l'avez pas demandé, ignorez ce message : votre mot de passe reste le même.",
      ],
    }),
    "password-changed": () => ({
      subject: "votre mot de passe a changé",
      lines: [
        "Bonjour,",
        "",
        "Le mot de passe de votre compte vient d'être changé, et tous vos appareils ont été déconnectés.",
        "",
        "Si ce n'était pas vous, demandez tout de suite un nouveau mot de passe.",
      ],
    }),
    locked: () => ({
      subject: "trop d'essais de connexion",
      lines: [
        "Bonjour,",
        "",
        "Quelqu'un essaie des mots de passe sur votre compte. Les connexions sont ralenties pendant quelques minutes.",
        "",
        "Si c'était vous, attendez un peu ou demandez un nouveau mot de passe. Sinon, votre compte reste protégé :",
        "vérifiez que votre mot de passe est long et ne sert nulle part ailleurs.",
      ],
    }),
    "mfa-on": () => ({
      subject: "la connexion en deux étapes est activée",
      lines: [
        "Bonjour,",
        "",
        "La connexion en deux étapes de votre compte vient d'être activée.",
        "",
        "Si ce n'était pas vous, demandez tout de suite un nouveau mot de passe.",
      ],
    }),
    "mfa-off": () => ({
      subject: "la connexion en deux étapes est désactivée",
      lines: [
        "Bonjour,",
        "",
        "La connexion en deux étapes de votre compte vient d'être désactivée : votre mot de passe suffit de nouveau.",
        "",
        "Si ce n'était pas vous, demandez tout de suite un nouveau mot de passe.",
      ],
    }),
    "mfa-reset": () => ({
      subject: "votre second facteur a été retiré",
      lines: [
        "Bonjour,",
        "",
        "À votre demande, la connexion en deux étapes de votre compte vient d'être retirée par l'exploitant du service,",
        "et tous vos appareils ont été déconnectés. Reconnectez-vous et mettez-la de nouveau en place.",
        "",
        "Si vous n'avez rien demandé, changez tout de suite votre mot de passe et écrivez-nous.",
      ],
    }),
    "choose-password": (code) => ({
      subject: "choisissez votre mot de passe",
      lines: [
        "Bonjour,",
        "",
        "Votre adresse est confirmée. Comme plusieurs inscriptions avec des mots de passe différents ont été faites à cette",
        "adresse, peut-être par quelqu'un d'autre, aucun de ces mots de passe n'est valable, et le numéro de téléphone",
        "n'a pas été gardé. Choisissez un mot de passe avec ce code, sur la page « Mot de passe oublié » :",
        "",
        `    ${code}`,
        "",
        "Il est valable 15 minutes ; vous pouvez en demander un autre. Puis indiquez votre numéro dans votre compte.",
      ],
    }),
    inactive: (date) => ({
      subject: "votre compte va être effacé",
      lines: [
        "Bonjour,",
        "",
        "Votre compte ne sert plus depuis 22 mois. Nous ne gardons pas de données de santé que personne ne tient à jour :",
        `sans connexion de votre part, le compte et tout ce qu'il contient seront effacés après le ${date}.`,
        "",
        "Pour le garder, il suffit de vous connecter une fois avant cette date.",
      ],
    }),
    "new-address": (code) => ({
      subject: "confirmez votre nouvelle adresse",
      lines: [
        "Bonjour,",
        "",
        "Voici le code qui confirme cette adresse pour votre compte :",
        "",
        `    ${code}`,
        "",
        "Il est valable 15 minutes. Si vous n'avez rien demandé, ignorez ce message.",
      ],
    }),
    "address-changed": () => ({
      subject: "votre adresse a changé",
      lines: [
        "Bonjour,",
        "",
        "Votre compte utilise maintenant une autre adresse. Celle-ci n'y donne plus accès.",
        "",
        "Si ce n'était pas vous, écrivez-nous tout de suite.",
      ],
    }),
  },
  en: {
    verification: (code) => ({
      subject: "confirm your address",
      lines: [
        "Hello,",
        "",
        "This is the code that confirms your address:",
        "",
        `    ${code}`,
        "",
        "It is valid for 15 minutes. If you did not create an account, ignore this message:",
        "without confirmation everything is erased after 7 days.",
      ],
    }),
    "already-registered": () => ({
      subject: "you already have an account",
      lines: [
        "Hello,",
        "",
        "Somebody, probably you, has just asked for an account with this address. You already have one:",
        "sign in, or ask for a new password if you have forgotten yours.",
        "",
        "If it was not you, there is nothing to do: your account has not changed.",
      ],
    }),
    reset: (code) => ({
      subject: "new password",
      lines: [
        "Hello,",
        "",
        "This is the code that lets you choose a new password:",
        "",
        `    ${code}`,
        "",
        "It is valid for 15 minutes. If you did not ask for it, ignore this message: your password stays the same.",
      ],
    }),
    "password-changed": () => ({
      subject: "your password has changed",
      lines: [
        "Hello,",
        "",
        "The password of your account has just been changed, and all your devices were signed out.",
        "",
        "If it was not you, ask for a new password at once.",
      ],
    }),
    locked: () => ({
      subject: "too many attempts to sign in",
      lines: [
        "Hello,",
        "",
        "Somebody is trying passwords on your account. Signing in is slowed down for some minutes.",
        "",
        "If it was you, wait a little or ask for a new password. Otherwise your account stays protected:",
        "make sure that your password is long and used nowhere else.",
      ],
    }),
    "mfa-on": () => ({
      subject: "two-step sign-in is on",
      lines: [
        "Hello,",
        "",
        "Two-step sign-in has just been switched on for your account.",
        "",
        "If it was not you, ask for a new password at once.",
      ],
    }),
    "mfa-off": () => ({
      subject: "two-step sign-in is off",
      lines: [
        "Hello,",
        "",
        "Two-step sign-in has just been switched off for your account: your password is enough again.",
        "",
        "If it was not you, ask for a new password at once.",
      ],
    }),
    "mfa-reset": () => ({
      subject: "your second factor was taken off",
      lines: [
        "Hello,",
        "",
        "At your request the operator of this service has just taken two-step sign-in off your account, and all your",
        "devices were signed out. Sign in and set it up again.",
        "",
        "If you did not ask for this, change your password at once and write to us.",
      ],
    }),
    "choose-password": (code) => ({
      subject: "choose your password",
      lines: [
        "Hello,",
        "",
        "Your address is confirmed. As several registrations with different passwords were made with this address,",
        "perhaps by somebody else, none of these passwords is valid, and the phone number was not kept.",
        "Choose a password with this code, on the page for a forgotten password:",
        "",
        `    ${code}`,
        "",
        "It is valid for 15 minutes; you can ask for another. Then enter your number in your account.",
      ],
    }),
    inactive: (date) => ({
      subject: "your account is about to be erased",
      lines: [
        "Hello,",
        "",
        "Your account has not been used for 22 months. We do not keep health data that nobody keeps up to date:",
        `unless you sign in, the account and everything in it will be erased after ${date}.`,
        "",
        "To keep it, signing in once before that date is enough.",
      ],
    }),
    "new-address": (code) => ({
      subject: "confirm your new address",
      lines: [
        "Hello,",
        "",
        "This is the code that confirms this address for your account:",
        "",
        `    ${code}`,
        "",
        "It is valid for 15 minutes. If you did not ask for anything, ignore this message.",
      ],
    }),
    "address-changed": () => ({
      subject: "your address has changed",
      lines: [
        "Hello,",
        "",
        "Your account now uses another address. This one no longer gives access to it.",
        "",
        "If it was not you, write to us at once.",
      ],
    }),
  },
};

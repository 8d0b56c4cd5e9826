/** The demonstration's person: made up, with something in every place a rescuer looks first. */
import type { ProfileInput } from "./services/profiles/schema.ts";

export const demoProfile: Partial<ProfileInput> = {
  identity: {
    given_names: "Camille",
    family_name: "Martin",
    birth_date: "1961-04-17",
    sex: "female",
    languages: ["fr", "en"],
  },
  alerts: {
    statement: "listed",
    items: [{ kind: "pacemaker", text: "Pacemaker (stimulateur cardiaque) depuis 2019" }],
  },
  allergies: {
    statement: "listed",
    items: [
      {
        text: "Pénicilline",
        reaction: "Choc anaphylactique en 2004",
        severity: "life-threatening",
        criticality: "high",
      },
      { text: "Latex", reaction: "Urticaire", severity: "mild" },
    ],
  },
  conditions: {
    statement: "listed",
    items: [
      { text: "Fibrillation auriculaire", since: "2017" },
      { text: "Diabète de type 2", since: "2010" },
    ],
  },
  medications: {
    statement: "listed",
    items: [
      {
        text: "Apixaban",
        dose: "5 mg",
        route: "per os",
        frequency: "matin et soir",
        since: "2017",
        anticoagulant: true,
      },
      { text: "Metformine", dose: "1000 mg", frequency: "midi et soir" },
    ],
  },
  devices: {
    statement: "listed",
    items: [{ kind: "pacemaker", text: "Pacemaker double chambre", mri_safety: "conditional", since: "2019" }],
  },
  blood_group: { statement: "listed", items: [{ abo: "O", rhesus: "positive" }] },
  vaccinations: { statement: "listed", items: [{ text: "Tétanos", date: "2022-05" }] },
  operations: { statement: "none-known", items: [] },
  pregnancy: { statement: "none-known", items: [] },
  disabilities: {
    statement: "listed",
    items: [
      { kind: "hearing", text: "Malentendante de l'oreille gauche", communication: "Parler à droite, articuler" },
    ],
  },
  directives: {
    statement: "listed",
    items: [{ kind: "trusted-person", text: "Mon mari est ma personne de confiance", name: "Jean Martin" }],
  },
  contacts: {
    statement: "listed",
    items: [{ name: "Jean Martin", relation: "mari", phone: "+33639980003", languages: ["fr"] }],
  },
  gp: { statement: "listed", items: [{ name: "Dr Leïla Haddad", phone: "+33639980004" }] },
  what_matters: "Prévenez ma fille avant mon mari, il s'inquiète vite.",
};

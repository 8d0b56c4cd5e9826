/** A short blocklist of our own making: what people type first, in English and French. Compared in lower case without separators. */
export const commonPasswords: ReadonlySet<string> = new Set(
  `12345678 123456789 1234567890 12341234 11223344 12121212 87654321 00000000 11111111 22222222 55555555 66666666
  77777777 88888888 99999999 01234567 0123456789 01020304 10203040 13131313 19871987 20202020 qwertyui qwertyuiop
  qwerty12 qwerty123 qwertz123 azertyui azertyuiop azerty12 azerty123 asdfghjk asdfghjkl asdf1234 zxcvbnm1 qsdfghjklm
  wxcvbn123 1q2w3e4r 1q2w3e4r5t q1w2e3r4 1qaz2wsx zaq12wsx a1b2c3d4 aa123456 abc12345 abcd1234 abcdefgh abcdefg1
  password passw0rd password1 password12 password123 passwordpassword motdepasse motdepasse1 monmotdepasse mdp12345
  iloveyou iloveyou1 jetaime1 jetaimefort letmein1 letmein123 welcome1 welcome123 bienvenue bienvenue1 bonjour1
  bonjour123 changeme changeme1 changezmoi superman batman123 starwars pokemon1 football football1 baseball basketball
  soleil123 chocolat doudou123 princesse princess1 sunshine loulou123 marseille marseille13 paris75000 parisparis
  administrator admin123 admin1234 administrateur root1234 toor1234 secret123 secretsecret computer internet
  trustno1 whatever dragon123 monkey123 shadow123 master123 michael1 jennifer nicolas1 alexandre camille1 caroline
  juliette stephane caramel1 coucou123 azertyazerty qwertyqwerty test1234 testtest demo1234 demodemo default1 urgence1
  urgence123 pompiers pompier18 samu1515 ambulance emergency hospital medecin1 docteur1`
    .split(/\s+/)
    .filter((word) => word !== ""),
);

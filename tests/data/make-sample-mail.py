#!/usr/bin/env python3
"""Writes sample-mail/ beside this file: the mail of an invented person, Nora Lindqvist.

The messages are committed; this is where they are edited. Same input, same bytes. Every address ends in
example.com, .org or .net. sample_mail_writer.py says how a message is put together.
"""

from sample_mail_writer import (
    NORA, archive, begin, embedded, file_part, invitation, mail, multipart, pdf, png, text_part, written)

JONAS = ("Jonas Weber", "jonas.weber@example.com")
CAMILLE = ("Camille Laurent", "camille@example.net")
INES = ("Inés Ortega", "ines.ortega@example.com")
PAWEL = ("Paweł Zieliński", "pawel@example.net")
IRINA = ("Ирина Соколова", "irina@example.org")
GIORGOS = ("Γιώργος Παπαδάκης", "giorgos@example.com")
LAYLA = ("ليلى حداد", "layla@example.net")
NOA = ("נועה כהן", "noa@example.com")
WANG = ("王芳", "wangfang@example.com")
LIN = ("林志明", "lin.zm@example.org")
TANAKA = ("田中恵子", "keiko.tanaka@example.com")
KIM = ("김민수", "minsu.kim@example.net")
ANITA = ("अनिता शर्मा", "anita@example.org")
SAM = ("Sam O'Brien", "sam@example.com")
SHOP = ("Nordlicht Saatgut", "bestellung@nordlicht.example.com")
LOOM = [("Loom users", "loom-users@lists.example.org")]
LOOM_HEAD = """List-Id: Users of the Loom pattern editor <loom-users.lists.example.org>
List-Post: <mailto:loom-users@lists.example.org>
List-Unsubscribe: <mailto:loom-users-request@lists.example.org?subject=unsubscribe>
Precedence: list"""


def inbox():
    mail("inbox", "welcome", "2025-01-06T08:02", ("Example Mail", "support@mail.example.org"),
         "Welcome to your new mailbox", """
        Hello Nora,

        your mailbox nora@example.org is ready. You can read it with any mail program:

            incoming   mail.example.org   port 993   TLS
            outgoing   mail.example.org   port 465   TLS

        If anything does not work, answer this message and a person will read it.

        The postmaster
        """, flags="Seen")
    mail("inbox", "garten-frage", "2025-02-03T18:41", JONAS, "Größe der Beete: eine kurze Frage", text_part("""
        Liebe Nora,

        ich sitze gerade über dem Plan für den Gemeinschaftsgarten. Sollen die Hochbeete wirklich
        1,20 m breit werden? Meine Oma sagt: »Was man nicht mit dem Arm erreicht, wächst für die
        Schnecken.« Ich würde auf 90 cm gehen, dafür etwas länger.

        Kannst Du bis Donnerstag Bescheid geben? Dann bestelle ich das Lärchenholz.

        Viele Grüße
        Jonas
        """, "iso-8859-1", "quoted-printable"), flags="Seen Answered", charset="iso-8859-1", how="Q",
        zone="+0100")
    mail("inbox", "rapport-loyer", "2025-02-11T09:15", CAMILLE, "Reçu : le loyer de février (1 250 €)",
         text_part("""
        Bonjour Nora,

        j'ai bien reçu ton virement de 1 250 € pour février, merci ! Le plombier passera mardi entre
        huit heures et midi pour la fuite sous l'évier ; il a la clé de la cave, mais pas celle de
        l'appartement. Pourrais-tu lui ouvrir ?

        À bientôt,
        Camille
        """, "iso-8859-15", "quoted-printable"), flags="Seen", charset="iso-8859-15", how="Q", zone="+0100")
    mail("inbox", "receta", "2025-02-16T20:30", INES, "La receta de mi abuela (¡por fin!)", multipart(
        "alternative", text_part("""
        ¡Hola, Nora!

        Por fin encontré el cuaderno. Para seis personas: un kilo de patatas, ocho huevos, una cebolla
        grande y medio litro de aceite de oliva. El secreto: las patatas se confitan despacio, no se
        fríen.

        Un abrazo, Inés
        """, "utf-8", "quoted-printable"), text_part("""
        <html><body><p>¡Hola, Nora!</p>
        <p>Por fin encontré el cuaderno. Para seis personas:</p>
        <ul><li>1 kg de patatas</li><li>8 huevos</li><li>1 cebolla grande</li><li>½ l de aceite</li></ul>
        <p>El secreto: las patatas se <em>confitan</em> despacio, no se fríen.</p>
        <p>Un abrazo, Inés</p></body></html>
        """, "utf-8", "quoted-printable", "html")), how="Q", flags="Seen Flagged", zone="+0100")
    mail("inbox", "zolte-kalosze", "2025-02-20T07:55", PAWEL, "Zażółć gęślą jaźń, czyli nowa czcionka",
         text_part("""
        Cześć,

        przesyłam próbkę nowego kroju. Sprawdź, proszę, czy "ź" i "ż" dobrze wyglądają w rozmiarze
        dziewięciu punktów, bo w druku próbnym kropka zlewała się z literą. Jeśli tak, w piątek
        wysyłamy katalog do drukarni.

        Pozdrawiam
        Paweł
        """, "iso-8859-2", "8bit"), charset="iso-8859-2", zone="+0100")
    mail("inbox", "poezd", "2025-02-27T13:20", IRINA, "Билеты на поезд и ещё кое-что", text_part("""
        Нора, привет!

        Купила билеты на двенадцатое: отправление в 7:40, вагон 5, места 31 и 32. На вокзале лучше
        быть к семи, там теперь проверяют вещи на входе.

        И ещё: мама спрашивает, взять ли тебе варенья. Я сказала, что две банки, вишнёвое и из
        крыжовника.

        Обнимаю, Ира
        """, "koi8-r", "8bit"), charset="koi8-r", flags="Seen", zone="+0300")
    mail("inbox", "schet", "2025-02-28T06:12", ("Издательство «Речной порт»", "books@example.net"),
         "Счёт № 2025/118 за книги", multipart("mixed", text_part("""
        Здравствуйте!

        Во вложении счёт за три экземпляра «Атласа речных птиц». Отправим в день оплаты.

        С уважением,
        отдел продаж
        """, "windows-1251", "base64"), file_part("application/pdf", "счёт-118.pdf", pdf(
            "Invoice 2025/118", "3 x Atlas of river birds", "Total 74.40 EUR"))),
        charset="windows-1251")
    mail("inbox", "spiti", "2025-03-02T11:05", GIORGOS, "Το σπίτι στη θάλασσα είναι ελεύθερο τον Ιούνιο", """
        Καλημέρα Νόρα,

        το σπίτι είναι ελεύθερο από τις 7 έως τις 21 Ιουνίου. Το κλειδί θα το έχει η κυρία Ελένη στο
        περίπτερο. Πάρτε μαζί σας πετσέτες, όλα τα άλλα υπάρχουν.

        Χαιρετισμούς
        Γιώργος
        """, zone="+0200")
    mail("inbox", "maktaba", "2025-03-04T16:47", LAYLA, "دعوة إلى افتتاح المكتبة الجديدة", """
        عزيزتي نورا،

        يسرنا أن ندعوك إلى افتتاح المكتبة الجديدة يوم السبت القادم في الساعة السادسة مساءً. سيقرأ
        الكاتب فصلاً من روايته الجديدة، وبعد ذلك هناك شاي وحلويات.

        مع أطيب التحيات،
        ليلى
        """, flags="Flagged", zone="+0200")
    mail("inbox", "tochnit", "2025-03-05T08:31", NOA, "תוכנית הסדנה (גרסה 2) – version 2", """
        שלום נורה,

        מצורפת התוכנית המעודכנת. ההרצאה שלך נקבעה ליום שלישי בשעה 10:30, אולם B. אם את צריכה מקרן,
        תגידי לי עד יום ראשון.

        להתראות,
        נועה
        """, zone="+0200")
    mail("inbox", "huiyi", "2025-03-06T02:10", WANG, "关于下周会议的安排", text_part("""
        Nora，你好：

        下周三下午两点在三楼会议室开会，主要讨论春季目录的封面和印刷数量。请把照片的原文件
        提前发给我，谢谢。

        王芳
        """, "gb2312", "base64"), charset="gb2312", flags="Seen", zone="+0800")
    mail("inbox", "chaye", "2025-03-07T03:33", LIN, "茶葉樣品已經寄出", text_part("""
        您好，

        三款烏龍茶樣品今天已經用航空寄出，約十天後到達。每包背面寫有沖泡的水溫和時間，第二泡
        最好喝。

        林志明 敬上
        """, "big5", "8bit"), charset="big5", zone="+0800")
    mail("inbox", "oshirase", "2025-03-09T23:58", TANAKA, "四月の写真展のお知らせ", text_part("""
        ノラ様

        お世話になっております。四月十二日から二十日まで、駅前のギャラリーで写真展を開きます。
        初日の午後は会場におりますので、お時間がありましたらぜひお立ち寄りください。

        田中恵子
        """, "iso-2022-jp", "7bit"), charset="iso-2022-jp", flags="Seen Answered", zone="+0900")
    mail("inbox", "chulgo", "2025-03-11T04:44", KIM, "주문하신 도자기 출고 안내", text_part("""
        노라 님, 안녕하세요.

        주문하신 찻잔 두 점을 오늘 출고했습니다. 깨지기 쉬운 물건이라 포장을 두 겹으로 했으니
        칼을 쓰지 말고 여시기 바랍니다.

        김민수 드림
        """, "euc-kr", "8bit"), charset="euc-kr", zone="+0900")
    mail("inbox", "yatra", "2025-03-12T05:05", ANITA, "यात्रा की तारीख़ बदल गई है", """
        प्रिय नोरा,

        रेलगाड़ी का समय बदल गया है, इसलिए अब हम शनिवार की जगह रविवार को पहुँचेंगे। कमरे के लिए
        मैंने फ़ोन कर दिया है। आम का मौसम शुरू हो गया है, भूखी आना!

        तुम्हारी अनिता
        """, zone="+0530")
    mail("inbox", "party", "2025-03-14T17:00", SAM, "🎂 Surprise party for Ines 🎉 – shh! 🤫", """
        Everyone,

        Ines turns forty on the 29th. I have the room above the bakery from seven. 🥂

          * Nora: music 🎶
          * Paweł: the big speakers
          * Camille: cake (no walnuts! 🥜🚫)

        Not a word to her, please. She thinks we are going to the cinema.

        Sam 👨‍👩‍👧
        """, to=[NORA, PAWEL, CAMILLE], flags="Flagged")
    mail("inbox", "invite-planting", "2025-03-17T09:00", JONAS, "Einladung: Pflanztag", multipart(
        "mixed", multipart("alternative", text_part("""
        Pflanztag im Garten
        Samstag, 12. April 2025, 10 bis 14 Uhr
        Bitte Handschuhe mitbringen, Spaten sind da.
        """), text_part("""
        BEGIN:VCALENDAR
        PRODID:-//Example//Calendar//EN
        VERSION:2.0
        METHOD:REQUEST
        BEGIN:VEVENT
        UID:pflanztag-2025@example.com
        DTSTAMP:20250317T085900Z
        DTSTART:20250412T080000Z
        DTEND:20250412T120000Z
        SUMMARY:Pflanztag
        LOCATION:Gemeinschaftsgarten
        ORGANIZER;CN=Jonas Weber:mailto:jonas.weber@example.com
        ATTENDEE;RSVP=TRUE:mailto:nora@example.org
        END:VEVENT
        END:VCALENDAR
        """, subtype="calendar", extra="; method=REQUEST")), file_part(
            "application/ics", "pflanztag.ics", invitation(
                "pflanztag-2025", "20250412T080000Z", "20250412T120000Z", "Pflanztag",
                "Gemeinschaftsgarten"))), zone="+0100")
    mail("inbox", "photos", "2025-03-18T19:26", INES, "Fotos del mercado", multipart(
        "mixed", multipart("related", text_part("""
        <p>Mira qué colores:</p>
        <p><img src="cid:naranjas@example.com" alt="naranjas"><img src="cid:mar@example.com" alt="mar"></p>
        """, "utf-8", "quoted-printable", "html"),
            file_part("image/png", "naranjas.png", png(48, 32, (240, 140, 20)), "inline",
                      "naranjas@example.com"),
            file_part("image/png", "mar.png", png(64, 24, (20, 90, 170)), "inline", "mar@example.com")),
        file_part("image/png", "día de mercado.png", png(96, 64, (60, 150, 60)))))
    mail("inbox", "long-subject", "2025-03-19T12:00", ("Office of the Housing Co-operative \"Am Kanal\"",
         "office@kanal.example.org"), "Minutes of the ordinary general meeting of the members of the "
         "housing co-operative Am Kanal held on the eighteenth of March in the common room of house "
         "number four, including the annex on the renewal of the roof, the vote on the bicycle cellar "
         "and the adjourned discussion about the chestnut tree", """
        Dear members,

        38 of 51 members were present or represented. The roof will be renewed in August (31 yes, 4 no,
        3 abstentions). The bicycle cellar gets its ramp. The chestnut tree stays until the expert has
        looked at it.

        The minutes lie open in the office for two weeks.
        """)
    mail("inbox", "no-subject", "2025-03-20T06:30", SAM, None, "\nbring the ladder when you come\n")
    mail("inbox", "from-phone", "2025-03-20T06:34", ("", "sam@example.com"), "Re: ", "\nforget it, found one\n",
         refs=("no-subject",))
    mail("inbox", "odd-subject", "2025-03-21T10:10", ("build/robot", "robot@ci.example.net"),
         "[FAILED] loom/main: 3 of 214 tests * see <https://ci.example.net/?run=88&log=1> | \"retry\"?", """
        loom/main at 4f1c2d9: FAILED

          test_export_svg[empty-pattern]     expected 0 rows, got 1
          test_export_svg[one-thread]        timed out after 30 s
          test_undo/redo                     flaky, third time this week

        You get this message because you broke it, or because you fixed it last time.
        """, flags="$Forwarded loom-ci")
    mail("inbox", "bounce", "2025-03-22T14:03", ("Mail Delivery System", "mailer-daemon@mail.example.org"),
         "Undelivered Mail Returned to Sender", multipart(
             "report", text_part("""
        This is the mail system at host mail.example.org.

        Your message could not be delivered to one recipient:

        <keiko.tanka@example.com>: host mx.example.com said: 550 5.1.1 no such user
        """), """Content-Type: message/delivery-status

Reporting-MTA: dns; mail.example.org
Arrival-Date: Sat, 22 Mar 2025 14:02:58 +0000

Final-Recipient: rfc822; keiko.tanka@example.com
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 no such user
""", """Content-Type: text/rfc822-headers

From: Nora Lindqvist <nora@example.org>
To: keiko.tanka@example.com
Subject: Re: photographs
Message-ID: <typo@mail.example.org>
""", extra="; report-type=delivery-status"), extra="Return-Path: <>\nAuto-Submitted: auto-replied")
    mail("inbox", "order", "2025-03-23T21:18", SHOP, "Ihre Bestellung 70-4412 (Saatgut) ist unterwegs",
         multipart("mixed", multipart("alternative", text_part("""
        Guten Tag, Frau Lindqvist,

        Ihre Bestellung ist verpackt. Sendungsnummer 00340434-EX.

          2 x Feuerbohne »Preisgewinner«     5,80 EUR
          1 x Winterpostelein                2,40 EUR
          1 x Tomate »Grünes Zebra«          3,20 EUR
        """, "utf-8", "quoted-printable"), text_part("""
        <html><head><style>td{padding:2px 8px}</style></head><body>
        <p>Guten Tag, Frau Lindqvist,</p><p>Ihre Bestellung ist verpackt.</p>
        <table><tr><td>2</td><td>Feuerbohne »Preisgewinner«</td><td>5,80&nbsp;€</td></tr>
        <tr><td>1</td><td>Winterpostelein</td><td>2,40&nbsp;€</td></tr>
        <tr><td>1</td><td>Tomate »Grünes Zebra«</td><td>3,20&nbsp;€</td></tr></table>
        </body></html>
        """, "utf-8", "quoted-printable", "html")), file_part("text/csv; charset=utf-8", "bestellung.csv",
            "Artikel;Menge;Preis\r\nFeuerbohne;2;5,80\r\nWinterpostelein;1;2,40\r\n".encode("utf-8-sig"))),
         flags="Seen")
    mail("inbox", "utf8-headers", "2025-03-24T15:15", ("", "postbote@example.net"), None,
         "\nDer Betreff dieser Nachricht steht unverschlüsselt im Kopf (RFC 6532).\n",
         extra="Subject: Grüße aus Łódź – без кодировки".encode().decode("latin-1"))
    mail("inbox", "smtp-lines", "2025-03-25T07:07", PAWEL, "lines a transport may stumble over", """
        From the start of this line nobody may guess a mailbox separator.
        >From is not what was written, but From is.
        .
        .. two dots, and one alone above

        A line with blanks at its end:   \t
        --
        Paweł's signature has no blank behind the dashes
        """)


def archives():
    mail("archive-2024", "newyear", "2024-01-01T00:04", CAMILLE, "Bonne année 2024 !", """
        Bonne année, bonne santé, et moins de réunions !
        Camille
        """, flags="Seen", zone="+0100")
    mail("archive-2024", "tax", "2024-03-28T10:00", ("Tax adviser Holm", "holm@example.com"),
         "Documents for your 2023 return", multipart("mixed", text_part("""
        Dear Ms Lindqvist,

        please find the summary and the list of what is still missing. The deadline is 31 July.

        A. Holm
        """), file_part("application/pdf", "summary-2023.pdf", pdf(
            "Summary 2023", "Income 41 200.00", "Paid in advance 6 480.00")),
            file_part("application/zip", "missing.zip", archive(
                missing_txt="- receipt for the office chair\n- statement of the second account\n"))),
         flags="Seen Flagged")
    mail("archive-2024", "flood", "2024-06-03T05:40", JONAS, "Hochwasser: Keller räumen!", text_part("""
        Hallo zusammen,

        der Pegel steht bei 4,80 m und steigt um acht Zentimeter in der Stunde. Bitte räumt heute noch
        die Keller. Sandsäcke liegen am Tor. Wer ein Auto mit Anhänger hat: bitte melden.

        Jonas
        """, "utf-8", "base64"), flags="Seen", zone="+0200")
    mail("archive-2024", "flood-thanks", "2024-06-09T18:00", JONAS, "Re: Hochwasser: Keller räumen!", """
        Danke an alle 23, die geschleppt haben. Nur zwei Kisten sind nass geworden, und das waren meine.
        """, refs=("flood",), flags="Seen", zone="+0200")
    mail("archive-2024", "password-reset", "2024-09-12T12:12", ("Example Shop", "no-reply@shop.example.net"),
         "Somebody asked to reset your password", """
        If it was not you, you need not do anything.
        The link in this message has expired.
        """, flags="Seen")
    mail("archive-2025", "dentist", "2025-01-14T08:00", ("Praxis Dr. Yılmaz", "praxis@example.org"),
         "Erinnerung: Termin am 21. Januar, 8:15 Uhr", text_part("""
        Sehr geehrte Frau Lindqvist, wir erinnern Sie an Ihren Termin. Bitte bringen Sie Ihre Karte mit.
        İyi günler, Praxis Dr. Yılmaz
        """, "iso-8859-9", "quoted-printable"), charset="iso-8859-9", how="Q", flags="Seen")
    mail("archive-2025", "forwarded", "2025-03-10T10:30", SAM, "Fwd: Keller räumen", multipart(
        "mixed", text_part("\nDo you remember this one? The whole street was there.\n"),
        "Content-Type: message/rfc822\nContent-Disposition: inline\n\n" + embedded("flood")), flags="Seen")
    mail("archive-2025", "signed", "2025-03-11T11:11", PAWEL, "Zgoda na druk", multipart(
        "signed", text_part("""
        Wyrażam zgodę na druk katalogu w nakładzie 400 egzemplarzy.
        """, "utf-8", "quoted-printable"), """Content-Type: application/pgp-signature; name="signature.asc"
Content-Disposition: attachment; filename="signature.asc"

-----BEGIN PGP SIGNATURE-----

iHUEABYKAB0WIQTexampleexampleexampleexampleAUCZ8/example
=abcd
-----END PGP SIGNATURE-----
""", extra='; micalg=pgp-sha256; protocol="application/pgp-signature"'), flags="Seen", how="Q")
    mail("archive-2025", "receipt-cafe", "2025-03-13T13:13", ("Café Zoë", "kasse@example.com"), "Beleg 13/03",
         text_part("""
        2 x Milchkaffee      7,60
        1 x Käsekuchen       4,20
        ------------------------
        Summe               11,80
        """, "windows-1252", "quoted-printable", extra="; format=flowed; delsp=yes"), flags="Seen",
         charset="windows-1252", how="Q")


def garden():
    mail("garden", "beds-1", "2025-02-04T07:30", NORA, "Hochbeete: Breite", """
        Hallo Jonas, hallo Camille,

        ich bin auch für 90 cm. Dann passen vier Beete nebeneinander und der Weg bleibt breit genug
        für die Schubkarre.

        Nora
        """, to=[JONAS, CAMILLE], flags="Seen", zone="+0100")
    mail("garden", "beds-2", "2025-02-04T08:02", CAMILLE, "Re: Hochbeete: Breite", """
        > ich bin auch für 90 cm.

        D'accord. Mais laissez-moi une place pour les framboises, sinon je démissionne.
        """, to=[NORA, JONAS], refs=("beds-1",), flags="Seen", zone="+0100")
    mail("garden", "beds-3", "2025-02-04T08:15", JONAS, "Re: Re: Hochbeete: Breite", """
        >> ich bin auch für 90 cm.
        > D'accord. Mais laissez-moi une place pour les framboises

        Die Himbeeren kommen an den Südzaun. Holz ist bestellt!
        """, to=[NORA, CAMILLE], refs=("beds-1", "beds-2"), flags="Seen Flagged", zone="+0100")
    mail("garden", "beds-4", "2025-02-05T19:40", NORA, "AW: Re: Re: Hochbeete: Breite", """
        Wunderbar. Ich bringe am Samstag Kaffee mit. ☕
        """, to=[JONAS, CAMILLE], refs=("beds-1", "beds-2", "beds-3"), flags="Seen", zone="+0100")
    mail("garden", "budget", "2025-02-12T21:00", JONAS, "Kassenstand & Ausgaben", multipart(
        "mixed", text_part("Anbei der Stand. Es reicht für den Wasserhahn, nicht für die Pumpe.\n"),
        file_part("text/csv; charset=utf-8", "kasse.csv", (
            "Datum;Zweck;Betrag\r\n" + "".join(
                f"2025-{month:02d}-{day:02d};{what};{value}\r\n" for month, day, what, value in [
                    (1, 7, "Beiträge", "480,00"), (1, 19, "Lärchenholz", "-212,40"),
                    (2, 2, "Schrauben", "-18,90"), (2, 9, "Spende Bäckerei", "50,00")])).encode())),
         zone="+0100")
    mail("plans", "plan-1", "2025-02-22T15:00", JONAS, "Plan, erste Fassung", multipart(
        "mixed", text_part("Norden ist oben. Die Bank steht im Schatten.\n"),
        file_part("application/pdf", "plan-1.pdf", pdf("Gemeinschaftsgarten", "4 Beete 0,90 x 2,40 m")),
        file_part("image/png", "plan-1.png", png(120, 80, (110, 160, 90)))), flags="Seen", zone="+0100")
    mail("plans", "plan-2", "2025-03-01T15:00", JONAS, "Plan, zweite Fassung (mit Kompost)", multipart(
        "mixed", text_part("Jetzt mit Kompost, auf Wunsch einer einzelnen Dame.\n"),
        file_part("application/pdf", "plan-2.pdf", pdf("Gemeinschaftsgarten", "mit Kompost"))),
         refs=("plan-1",), zone="+0100")
    mail("plans", "plan-sizes", "2025-03-03T09:00", NORA, "ASCII beats everything", """
        +--------+--------+--------+--------+
        | beans  | beans  | salad  | herbs  |
        +--------+--------+--------+--------+
        | tomato | tomato | kale   | onions |
        +--------+--------+--------+--------+
              path, wide enough for the wheelbarrow
        """, to=[JONAS], flags="Seen")


def lists():
    mail("lists-loom", "undo-1", "2025-03-02T10:00", ("Marta Kovács", "marta@example.net"),
         "[loom-users] Undo forgets the first colour", """
        Hi all,

        if I change the colour of a thread and undo twice, the first colour is lost. 2.4.1 on Debian.
        Is this known?

        Marta
        """, to=LOOM, extra=LOOM_HEAD, flags="Seen")
    mail("lists-loom", "undo-2", "2025-03-02T11:17", ("Aoife Byrne", "aoife@example.com"),
         "Re: [loom-users] Undo forgets the first colour", """
        On Sun, Mar 02, 2025 at 10:00, Marta Kovács wrote:
        > if I change the colour of a thread and undo twice, the first colour is lost.

        Yes: the first state is only stored on the second change. Patch below, please try it.

        --- a/src/undo.c
        +++ b/src/undo.c
        @@ -41,7 +41,7 @@ int undo_record(struct undo *undo, const struct state *state)
        -\tif (undo->depth == 0)
        +\tif (undo->depth == 0 && undo->base)
         \t\treturn 0;
        """, to=LOOM, extra=LOOM_HEAD, refs=("undo-1",), flags="Seen")
    mail("lists-loom", "undo-3", "2025-03-02T20:45", ("Marta Kovács", "marta@example.net"),
         "Re: [loom-users] Undo forgets the first colour", "\nWorks here, thank you!\n", to=LOOM,
         extra=LOOM_HEAD, refs=("undo-1", "undo-2"))
    mail("lists-loom", "undo-4", "2025-03-03T06:02", NORA, "Re: [loom-users] Undo forgets the first colour", """
        Applied as 4f1c2d9, with a test. It goes into 2.4.2.
        """, to=LOOM, extra=LOOM_HEAD, refs=("undo-1", "undo-2", "undo-3"), flags="Seen")
    mail("lists-loom", "release", "2025-03-16T16:00", NORA, "[loom-users] [ANNOUNCE] Loom 2.4.2", """
        Loom 2.4.2 is out. Changes since 2.4.1:

          - undo keeps the first colour (reported by Marta Kovács)
          - export to SVG writes no empty rows
          - translations: Hungarian, Irish

        https://loom.example.org/2.4.2/
        """, to=LOOM, extra=LOOM_HEAD, flags="Seen $label1")
    mail("lists-loom", "spam-on-list", "2025-03-17T03:33", ("Deals4U!!!", "deals@example.net"),
         "Re: [loom-users] CHEAP  YARN   $$$  100% FREE", text_part("""
        <html><body bgcolor=yellow><font size=7>FREE YARN</font><br>not really</body></html>
        """, subtype="html"), to=LOOM, extra=LOOM_HEAD)

    def digest_part(key):
        return "Content-Type: message/rfc822\n\n" + embedded(key)

    mail("lists-digests", "digest-9", "2025-03-03T23:59", ("Loom users", "loom-users-request@lists.example.org"),
         "loom-users Digest, Vol 14, Issue 9", multipart(
             "mixed", text_part("""
        Today's topics:

           1. Undo forgets the first colour (Marta Kovacs)
           2. Re: Undo forgets the first colour (Aoife Byrne)
           3. Re: Undo forgets the first colour (Marta Kovacs)
        """), multipart("digest", digest_part("undo-1"), digest_part("undo-2"), digest_part("undo-3"))),
         to=[NORA], extra="Precedence: bulk")
    mail("lists-digests", "newsletter", "2025-03-15T05:00", ("The Slow Letter", "letter@example.com"),
         "No. 88 — Moss, and why it can wait", multipart("alternative", text_part("""
        No. 88: Moss, and why it can wait

        This week: a wall in Porto that nobody cleaned for ninety years, what grew on it, and the woman
        who counted it all.

        You read this because you asked for it. To stop: https://example.com/stop
        """, "utf-8", "quoted-printable"), text_part("""
        <!DOCTYPE html><html><body style="font-family:serif"><h1>Moss, and why it can&nbsp;wait</h1>
        <p>This week: a wall in Porto that nobody cleaned for ninety years, what grew on it, and the
        woman who counted it all.</p><p><a href="https://example.com/stop">Stop</a></p></body></html>
        """, "utf-8", "quoted-printable", "html")), extra="""List-Unsubscribe: <https://example.com/stop>
List-Unsubscribe-Post: List-Unsubscribe=One-Click""")


def others():
    mail("rd", "measure", "2025-02-18T12:30", ("Aoife Byrne", "aoife@example.com"),
         "Warp tension: first measurements", multipart("mixed", text_part("""
        Twelve runs, three yarns. The linen is as bad as we feared. Raw data attached.
        """), file_part("text/csv; charset=utf-8", "tension.csv", ("run,yarn,newton\r\n" + "".join(
            f"{run},{('wool', 'cotton', 'linen')[run % 3]},{2.5 + (run * 37 % 11) / 10:.1f}\r\n"
            for run in range(1, 13))).encode()),
            file_part("application/octet-stream", "trace.bin", bytes((i * i) % 251 for i in range(3000)))))
    mail("rd", "measure-2", "2025-02-19T09:09", NORA, "Re: Warp tension: first measurements", """
        So we oil the linen, or we drop it. I vote for oil & patience.
        """, to=[("Aoife Byrne", "aoife@example.com")], refs=("measure",), flags="Seen")
    mail("entwuerfe", "mueller", "2025-01-30T22:22", ("Gerda Müller", "gerda.mueller@example.org"),
         "Entwürfe für den Vorhang – bitte ansehen", multipart("mixed", text_part("""
        Liebe Frau Lindqvist,

        drei Entwürfe für den Bühnenvorhang. Der zweite gefällt dem Regisseur, der dritte mir.

        Herzlich
        Gerda Müller
        """, "utf-8", "quoted-printable"), file_part("image/png", "entwurf-1.png", png(80, 50, (150, 20, 30))),
            file_part("image/png", "entwurf-2.png", png(80, 50, (30, 30, 90))),
            file_part("image/png", "Übergröße 3.png", png(160, 100, (200, 170, 60)))), how="Q", zone="+0100")
    mail("nihon", "yoyaku", "2025-03-08T01:20", ("旅館 山の湯", "yoyaku@example.net"), "ご予約の確認（四月十日より二泊）", """
        リンドクヴィスト様

        このたびはご予約をいただき、誠にありがとうございます。
        四月十日（木）より二泊、和室一部屋、夕食と朝食付きで承りました。
        駅からの送迎をご希望の場合は、前日までにお電話ください。

        旅館 山の湯
        """, flags="Flagged", zone="+0900")
    mail("nihon", "shashin", "2025-03-10T08:08", NORA, "Re: 四月の写真展のお知らせ", text_part("""
        田中様

        ご案内ありがとうございます。十二日の午後に伺います。

        ノラ
        """, "iso-2022-jp", "7bit"), to=[TANAKA], charset="iso-2022-jp", refs=("oshirase",), flags="Seen",
        zone="+0900")
    mail("nihon", "jis", "2025-03-10T09:40", TANAKA, "Re: Re: 四月の写真展のお知らせ", text_part("""
        楽しみにしております。
        """, "shift_jis", "base64"), charset="shift_jis", how="B", refs=("oshirase", "shashin"), zone="+0900")
    mail("sent", "garten-antwort", "2025-02-03T20:05", NORA, "Re: Größe der Beete: eine kurze Frage", text_part("""
        Lieber Jonas,

        90 cm, einverstanden. Deine Oma hat recht.

        Nora
        """, "utf-8", "quoted-printable"), to=[JONAS], refs=("garten-frage",), flags="Seen", zone="+0100")
    mail("sent", "many-recipients", "2025-03-15T09:00", NORA, "Music for the 29th", """
        What may I not play? You have one veto each. 🎧
        """, to=[SAM, PAWEL, CAMILLE], cc=[("Ørsted, Åse", "aase@example.com"), ANITA, KIM], refs=("party",),
         flags="Seen")
    mail("sent", "typo", "2025-03-22T14:02", NORA, "Re: photographs", "\nSee you on the twelfth!\n",
         to=[("", "keiko.tanka@example.com")], flags="Seen")
    mail("drafts", "letter", "2025-03-24T22:10", NORA, "About the chestnut tree", """
        Dear members of the board,

        I have lived beneath this tree for eleven years and

        """, to=[("", "office@kanal.example.org")], flags="Draft Seen")
    mail("drafts", "empty-draft", "2025-03-25T06:00", NORA, None, "\n", to=[("", "nora@example.org")],
         flags="Draft", message_id=False)
    mail("trash", "lottery", "2025-02-01T02:00", ("Prof. Winner", "winner@example.net"),
         "YOU HAVE WON 1.000.000", "\nSend us your address and a small fee.\n", flags="Seen Deleted")
    mail("trash", "old-newsletter", "2025-02-15T05:00", ("The Slow Letter", "letter@example.com"),
         "No. 84 — Stones", text_part("<p>Stones, mostly grey.</p>\n", subtype="html"), flags="Seen")


begin()
inbox()
archives()
garden()
lists()
others()
print(f"{len(written)} messages")

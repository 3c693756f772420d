package regions

import "strings"

// countriesByContinent lists the ISO 3166-1 alpha-2 codes of each continent (and XK, which is in common use).
var countriesByContinent = map[string]string{
	"AF": "DZ AO BJ BW BF BI CM CV CF TD KM CG CD CI DJ EG GQ ER SZ ET GA GM GH GN GW KE LS LR LY MG MW ML MR MU YT MA MZ NA NE NG RE RW SH ST SN SC SL SO ZA SS SD TZ TG TN UG EH ZM ZW",
	"AN": "AQ BV GS HM TF",
	"AS": "AF AM AZ BH BD BT BN KH CN CX CC CY GE HK IN ID IR IQ IL IO JP JO KZ KP KR KW KG LA LB MO MY MV MN MM NP OM PK PS PH QA SA SG LK SY TW TJ TH TL TR TM AE UZ VN YE",
	"EU": "AX AL AD AT BY BE BA BG HR CZ DK EE FO FI FR DE GI GR GG HU IS IE IM IT JE LV LI LT LU MT MD MC ME NL MK NO PL PT RO RU SM RS SK SI ES SJ SE CH UA GB VA XK",
	"NA": "AI AG AW BS BB BZ BM BQ CA KY CR CU CW DM DO SV GL GD GP GT HT HN JM MQ MX MS NI PA PR BL KN LC MF PM VC SX TT TC US VG VI",
	"OC": "AS AU CK FJ PF GU KI MH FM NR NC NZ NU NF MP PW PG PN WS SB TK TO TV UM VU WF",
	"SA": "AR BO BR CL CO EC FK GF GY PY PE SR UY VE",
}

// continentOf returns the continent of a country, or "" where the code names none.
func continentOf(country string) string {
	if len(country) != 2 {
		return ""
	}
	for continent, countries := range countriesByContinent {
		if strings.Contains(" "+countries+" ", " "+country+" ") {
			return continent
		}
	}
	return ""
}

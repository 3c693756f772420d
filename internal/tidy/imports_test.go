package tidy

import (
	"fmt"
	"go/parser"
	"go/token"
	"path"
	"slices"
	"strconv"
	"strings"
)

// roomTable says which rooms of this repository the code of each room may import, beside itself. A room is a
// folder with all that is below it, unless a deeper folder has a row of its own. A name before "=" stands for
// the list after it; in a row's own room, {domain} makes one row for each. Rows of one room add up. Tests may
// import anything.
//
// What it protects: the words of the business depend on nothing, and pricing on words alone; a domain's rules know
// neither SQL nor the protocol nor another domain; one domain's SQL uses another's only where one transaction spans
// both; the edge knows no domain; test support is for tests; the product knows nothing of the simulator.
const roomTable = `
words      = regions internal/clock internal/fault internal/id internal/money internal/plaintext internal/consistency
{domain}   = account cart catalog order payment promotion stock
product    = words geo api/gen migrations internal/version internal/plant
product    = product internal/{domain} internal/{domain}/{domain}sql internal/{domain}/{domain}rpc internal/{domain}/{domain}cache internal/{domain}/{domain}metrics
product    = product internal/checkout
product    = product internal/account/password internal/account/token internal/catalog/sheet internal/catalog/productfile internal/catalog/seed internal/catalog/views internal/payment/providerhttp internal/payment/sandbox
product    = product internal/rpc internal/config internal/sqldb internal/telemetry internal/discovery internal/cache internal/event internal/event/eventsql internal/event/kafka internal/lease internal/lease/leasesql internal/audit internal/edge internal/admission
product    = product internal/order/orderredis internal/health internal/health/healthsql internal/health/monitor internal/rollout internal/capacity
product    = product internal/credentials internal/redis
product    = product internal/method

regions                            :
geo                                : regions
api                                :
api/gen                            :
migrations                         :
internal/tidy                      :
internal/version                   :

internal/nettest                   :

internal/clock                     :
internal/money                     :
internal/plaintext                 :
internal/fault                     :
internal/consistency               : internal/fault
internal/id                        : regions

internal/checkout                  : internal/fault internal/money
internal/{domain}                  : words
internal/{domain}/{domain}sql      : words internal/sqldb internal/{domain}
internal/{domain}/{domain}rpc      : words internal/rpc api/gen internal/{domain}
internal/{domain}/{domain}cache    : words internal/cache internal/{domain}
internal/{domain}/{domain}metrics  : words internal/{domain}
internal/cart                      : internal/checkout
internal/catalog                   : internal/checkout
internal/promotion                 : internal/checkout
internal/promotion/promotioncache  : internal/checkout
internal/cart/cartrpc              : internal/checkout
internal/catalog/catalogcache      : internal/checkout
internal/catalog/catalogsql        : internal/checkout
internal/order                     : internal/checkout internal/plant
internal/cart/cartsql              : internal/plant
internal/payment/paymentsql        : internal/plant
internal/order/ordersql            : internal/checkout
internal/catalog/sheet             : words internal/catalog
internal/catalog/shopify           : words internal/catalog internal/catalog/sheet
internal/catalog/woocommerce       : words internal/catalog internal/catalog/sheet
internal/catalog/merchant          : words internal/catalog internal/catalog/sheet
internal/catalog/productfile       : words internal/catalog internal/catalog/sheet internal/catalog/shopify internal/catalog/woocommerce internal/catalog/merchant
internal/account/password          : words
internal/account/token             : words
internal/catalog/seed              : words internal/catalog
internal/catalog/views             : words internal/cache internal/catalog
internal/order/orderredis          : words internal/cache internal/order
internal/order/ordersql            : internal/event internal/event/eventsql internal/cart internal/stock internal/cart/cartsql internal/catalog/catalogsql internal/stock/stocksql
internal/order/ordersql            : internal/promotion internal/promotion/promotionsql
internal/order/ordersql            : api/gen internal/rpc internal/telemetry internal/plant
internal/payment                   : api/gen internal/sqldb internal/event internal/telemetry internal/plant
internal/payment/paymentsql        : internal/event internal/event/eventsql
internal/payment/providerhttp      : words internal/payment
internal/payment/sandbox           : words

internal/method                    : words api/gen
internal/rpc                       : words api/gen internal/method internal/checkout
internal/config                    : words internal/account internal/account/token internal/order internal/payment internal/edge internal/admission
internal/config                    : internal/sqldb internal/redis internal/event/kafka internal/telemetry internal/discovery internal/health internal/credentials
internal/sqldb                     : words migrations
internal/sqldb/sqltest             : words migrations internal/sqldb
internal/telemetry                 : words internal/version
internal/discovery                 : words
internal/credentials               :
internal/credentials/credentialstest : internal/credentials
internal/redis                     : internal/credentials
internal/redis/redistest           : internal/redis internal/credentials internal/credentials/credentialstest internal/nettest
internal/cache                     : words internal/redis
internal/event                     : words internal/sqldb
internal/event/eventsql            : words internal/event internal/sqldb internal/plant
internal/event/kafka               : words internal/event internal/telemetry internal/credentials
internal/lease                     : words
internal/lease/leasesql            : words internal/sqldb internal/lease
internal/audit                     : words internal/sqldb
internal/rollout                   : words internal/discovery
internal/health                    : words
internal/health/healthsql          : words internal/sqldb internal/health
internal/health/monitor            : words internal/health internal/health/healthsql internal/telemetry internal/discovery
internal/account/accountrpc        : internal/account/token internal/credentials
internal/account/accountsql        : internal/cart/cartsql
internal/plant                     :

internal/edge                      : words internal/plant geo api/gen internal/method internal/discovery internal/telemetry internal/rpc internal/credentials
internal/admission                 : words internal/method internal/rpc internal/redis geo
internal/capacity                  : words
internal/deploy                    : words
internal/edge/edgebench            : words internal/account/token internal/credentials
internal/app                       : product
internal/cli                       : product internal/app
cmd/meridian                       : internal/cli

internal/sim                       : product internal/app internal/cli internal/sim/topology internal/deploy
internal/sim/topology              : regions
cmd/meridian-sim                   : internal/sim
`

// Imports holds every import between rooms against the table.
func Imports(files []File) []Finding {
	allowed, err := parseRooms(roomTable)
	if err != nil {
		return []Finding{{"internal/tidy/imports_test.go", 0, err.Error()}}
	}
	return append(imports(files, allowed), emptyRooms(files, roomTable)...)
}

// emptyRooms finds the rows of rooms that are gone. A row for each domain need not hold for all of them.
func emptyRooms(files []File, table string) []Finding {
	lived := map[string]bool{}
	for _, f := range files {
		for room := path.Dir(f.Path); f.isGo() && room != "."; room = path.Dir(room) {
			lived[room] = true
		}
	}
	var out []Finding
	for line := range strings.Lines(table) {
		room, _, isRow := strings.Cut(line, ":")
		room = strings.TrimSpace(room)
		if isRow && !strings.Contains(room, domainName) && !lived[room] {
			out = append(out, Finding{room, 0, "has a row in the room table of internal/tidy, but holds no Go file"})
		}
	}
	return out
}

// parseRooms reads a room table: each room with the rooms that it may import, itself first.
func parseRooms(table string) (map[string][]string, error) {
	names, rooms := map[string][]string{}, map[string][]string{}
	for line := range strings.Lines(table) {
		if name, list, ok := strings.Cut(line, "="); ok {
			names[strings.TrimSpace(name)] = expand(strings.Fields(list), names)
			continue
		}
		pattern, list, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		pattern = strings.TrimSpace(pattern)
		domains := []string{domainName} // a row for no domain is its own only instance
		if strings.Contains(pattern, domainName) {
			domains = names[domainName]
		}
		for _, domain := range domains {
			own := strings.NewReplacer(domainName, domain)
			room := own.Replace(pattern)
			if rooms[room] == nil {
				rooms[room] = []string{room}
			}
			rooms[room] = append(rooms[room], expand(strings.Fields(own.Replace(list)), names)...)
		}
	}
	for name, list := range rooms {
		for _, entry := range list {
			if rooms[entry] == nil {
				return nil, fmt.Errorf("room %s: %s has no row", name, entry)
			}
		}
	}
	return rooms, nil
}

const domainName = "{domain}"

// expand replaces names by their lists, and {domain} within a longer entry by every domain.
func expand(entries []string, names map[string][]string) []string {
	var out []string
	for _, entry := range entries {
		list, isName := names[entry]
		switch {
		case isName:
			out = append(out, list...)
		case strings.Contains(entry, domainName):
			for _, domain := range names[domainName] {
				out = append(out, strings.ReplaceAll(entry, domainName, domain))
			}
		default:
			out = append(out, entry)
		}
	}
	return out
}

func imports(files []File, allowed map[string][]string) []Finding {
	var out []Finding
	for _, f := range files {
		if !f.inModule() || f.isTest() || f.isData() {
			continue
		}
		room := roomOf(path.Dir(f.Path), allowed)
		if room == "" {
			out = append(out, Finding{f.Path, 0, "its folder has no row in the room table of internal/tidy"})
			continue
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, f.Path, f.Content, parser.ImportsOnly)
		if err != nil {
			out = append(out, Finding{f.Path, 0, err.Error()})
			continue
		}
		for _, spec := range file.Imports {
			imported, _ := strconv.Unquote(spec.Path.Value)
			folder, ours := strings.CutPrefix(imported, Module+"/")
			if ours && strings.HasSuffix(folder, "test") && !strings.HasSuffix(path.Dir(f.Path), "test") {
				out = append(out, Finding{f.Path, fset.Position(spec.Pos()).Line, folder + " is support for tests, which this file is not"})
				continue
			}
			if !ours || slices.Contains(allowed[room], roomOf(folder, allowed)) {
				continue
			}
			text := fmt.Sprintf("%s may not import %s; the room table of internal/tidy says what it may", room, folder)
			out = append(out, Finding{f.Path, fset.Position(spec.Pos()).Line, text})
		}
	}
	return out
}

// roomOf returns the deepest room that holds a folder, or "".
func roomOf(folder string, rooms map[string][]string) string {
	for ; folder != "." && folder != "/"; folder = path.Dir(folder) {
		if rooms[folder] != nil {
			return folder
		}
	}
	return ""
}

package accountsql_test

import (
	"crypto/sha256"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/account"
	"github.com/meridian-commerce/meridian/internal/account/accountsql"
	"github.com/meridian-commerce/meridian/internal/cart"
	"github.com/meridian-commerce/meridian/internal/cart/cartsql"
	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/id"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest"
	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest/localitylint"
	"github.com/meridian-commerce/meridian/regions"
)

func TestMain(m *testing.M) { sqltest.Main(m, ".") }

func open(t testing.TB) (*accountsql.Store, *sqldb.DB) {
	t.Helper()
	db := sqltest.Open(t, nil)
	return accountsql.New(db), db
}

func hmacOf(email string) []byte {
	sum := sha256.Sum256([]byte(email))
	return sum[:]
}

func accountIn(home regions.Name, email string) account.Account {
	return account.Account{
		ID: id.New(id.User, regions.Default().Code(home)), Home: home, Email: email, DisplayName: "Ada ☕", Country: "IE",
		Currency: "EUR", CreatedAt: time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC),
	}
}

func TestCreateIsReadBack(t *testing.T) {
	t.Parallel()
	store, _ := open(t)
	for _, home := range regions.Default().Names() {
		email := "ada@" + string(home)
		want := accountIn(home, email)
		if err := store.Create(t.Context(), hmacOf(email), nil, want, "hash of "+email); err != nil {
			t.Fatal(err)
		}
		at, userID, err := store.Locate(t.Context(), [][]byte{hmacOf(email)})
		if err != nil || at != home || userID != want.ID {
			t.Errorf("Locate = %s, %s, %v", at, userID, err)
		}
		got, err := store.Find(t.Context(), home, want.ID)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v\n%s", err, diff)
		}
		if hash, err := store.PasswordHash(t.Context(), home, want.ID); err != nil || hash != "hash of "+email {
			t.Errorf("PasswordHash = %q, %v", hash, err)
		}
	}
}

func TestUnknown(t *testing.T) {
	t.Parallel()
	store, _ := open(t)
	a := accountIn("eu-west-1", "ada")
	if err := store.Create(t.Context(), hmacOf("ada"), nil, a, "hash"); err != nil {
		t.Fatal(err)
	}
	_, _, locate := store.Locate(t.Context(), [][]byte{hmacOf("eve")})
	_, find := store.Find(t.Context(), "eu-west-1", "usr_eu1_nobody")
	_, elsewhere := store.Find(t.Context(), "us-east-1", a.ID) // rows are found at home alone
	_, hash := store.PasswordHash(t.Context(), "us-east-1", a.ID)
	for name, err := range map[string]error{"Locate": locate, "Find": find, "Find elsewhere": elsewhere, "PasswordHash": hash} {
		if !errors.Is(err, account.ErrNotFound) || fault.Is(err, fault.Unavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTakenEmail(t *testing.T) {
	t.Parallel()
	store, _ := open(t)
	first, second := accountIn("eu-west-1", "ada"), accountIn("us-east-1", "ada")
	if err := store.Create(t.Context(), hmacOf("ada"), nil, first, "first"); err != nil {
		t.Fatal(err)
	}
	if err := store.Create(t.Context(), hmacOf("ada"), nil, second, "second"); fault.Reason(err) != "EMAIL_TAKEN" || !fault.Is(err, fault.Exists) {
		t.Errorf("got %v", err)
	}
	if home, userID, err := store.Locate(t.Context(), [][]byte{hmacOf("ada")}); err != nil || home != first.Home || userID != first.ID {
		t.Errorf("the address belongs to %s in %s (%v)", userID, home, err)
	}
	if _, err := store.Find(t.Context(), second.Home, second.ID); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("the refused account was stored: %v", err)
	}
}

// Sign-ups with one address from everywhere at once: one of them has it.
func TestTakenEmailConcurrently(t *testing.T) {
	t.Parallel()
	store, db := open(t)
	const callers = 8
	names := regions.Default().Names()
	var wg sync.WaitGroup
	errs := make([]error, callers)
	for i := range callers {
		wg.Go(func() {
			errs[i] = store.Create(t.Context(), hmacOf("ada"), nil, accountIn(names[i%len(names)], "ada"), "hash")
		})
	}
	wg.Wait()
	made := 0
	for _, err := range errs {
		switch {
		case err == nil:
			made++
		case fault.Reason(err) != "EMAIL_TAKEN":
			t.Error(err)
		}
	}
	users := 0
	for _, home := range names {
		var n int
		if err := db.QueryRow(t.Context(), `SELECT count(*) FROM users WHERE home_region = $1`, home).Scan(&n); err != nil {
			t.Fatal(err)
		}
		users += n
	}
	if made != 1 || users != 1 {
		t.Errorf("%d callers were told that they have the address, and there are %d users", made, users)
	}
}

// An account whose user row is refused leaves nothing behind: the address stays free.
func TestCreateIsAllOrNothing(t *testing.T) {
	t.Parallel()
	store, _ := open(t)
	first := accountIn("eu-west-1", "ada")
	if err := store.Create(t.Context(), hmacOf("ada"), nil, first, "hash"); err != nil {
		t.Fatal(err)
	}
	sameID := accountIn("eu-west-1", "eve")
	sameID.ID = first.ID
	nowhere := accountIn("eu-west-1", "eve")
	nowhere.Home = "mars-north-1"
	for name, a := range map[string]account.Account{"same id": sameID, "no such region": nowhere} {
		if err := store.Create(t.Context(), hmacOf("eve"), nil, a, "hash"); !fault.Is(err, fault.Internal) {
			t.Errorf("%s: %v", name, err)
		}
		if _, _, err := store.Locate(t.Context(), [][]byte{hmacOf("eve")}); !errors.Is(err, account.ErrNotFound) {
			t.Errorf("%s: the directory keeps the address: %v", name, err)
		}
	}
	if err := store.Create(t.Context(), hmacOf("eve"), nil, accountIn("us-east-1", "eve"), "hash"); err != nil {
		t.Errorf("the address is not free: %v", err)
	}
}

// An address in several forms: the first that is known is whose it is, and no other form is free for another account.
func TestFormsOfOneAddress(t *testing.T) {
	t.Parallel()
	store, _ := open(t)
	one, two := accountIn("eu-west-1", "one"), accountIn("us-east-1", "two")
	for form, a := range map[string]account.Account{"former": one, "other": two} {
		if err := store.Create(t.Context(), hmacOf(form), nil, a, "hash"); err != nil {
			t.Fatal(err)
		}
	}
	for want, forms := range map[string][][]byte{
		one.ID: {hmacOf("unknown"), hmacOf("former"), hmacOf("other")}, two.ID: {hmacOf("other"), hmacOf("former"), hmacOf("unknown")},
	} {
		if _, userID, err := store.Locate(t.Context(), forms); err != nil || userID != want {
			t.Errorf("%s, %v; want %s", userID, err, want)
		}
	}
	third := accountIn("eu-west-1", "third")
	err := store.Create(t.Context(), hmacOf("normal"), [][]byte{hmacOf("former")}, third, "hash")
	if fault.Reason(err) != "EMAIL_TAKEN" {
		t.Errorf("an address that is taken in a former form: %v", err)
	}
	if _, _, err := store.Locate(t.Context(), [][]byte{hmacOf("normal")}); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("it is kept all the same: %v", err)
	}
	if err := store.Create(t.Context(), hmacOf("normal"), [][]byte{hmacOf("free"), hmacOf("free too")}, third, "hash"); err != nil {
		t.Errorf("an address that is free in each form: %v", err)
	}
}

// An account's currency is its cart's, from the same moment.
func TestSetCurrency(t *testing.T) {
	t.Parallel()
	record := &localitylint.Recorder{}
	db := sqltest.Open(t, record)
	store, carts := accountsql.New(db), cartsql.New(db, clock.System())
	want := accountIn("eu-west-1", "ada")
	if err := store.Create(t.Context(), hmacOf("ada"), nil, want, "hash"); err != nil {
		t.Fatal(err)
	}
	for version, c := range []money.Currency{"EUR", "KWD", "KWD", "USD"} { // EUR is what it has
		got, err := store.SetCurrency(t.Context(), "eu-west-1", want.ID, c)
		want.Currency = c
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v\n%s", err, diff)
		}
		if read, err := store.Find(t.Context(), "eu-west-1", want.ID); err != nil || read.Currency != c {
			t.Errorf("read back: %s, %v", read.Currency, err)
		}
		in, err := carts.Find(t.Context(), "eu-west-1", want.ID)
		if expected := []cart.Cart{{}, {Currency: "KWD", Version: 1}, {Currency: "KWD", Version: 1}, {Currency: "USD", Version: 2}}[version]; err != nil ||
			in.Currency != expected.Currency || in.Version != expected.Version || len(in.Items) != 0 {
			t.Errorf("after %d changes the cart is %+v, %v", version, in, err)
		}
	}
	for _, home := range []regions.Name{"us-east-1", "eu-west-1"} {
		userID := want.ID
		if home == "eu-west-1" {
			userID = "usr_eu1_nobody"
		}
		if _, err := store.SetCurrency(t.Context(), home, userID, "EUR"); !errors.Is(err, account.ErrNotFound) {
			t.Errorf("of nobody in %s: %v", home, err)
		}
	}
	sqltest.Lint(t, db, record)
}

func TestDirectoryHoldsNoAddress(t *testing.T) {
	t.Parallel()
	store, db := open(t)
	if err := store.Create(t.Context(), hmacOf("ada@example.com"), nil, accountIn("eu-west-1", "ada@example.com"), "hash"); err != nil {
		t.Fatal(err)
	}
	var row string
	if err := db.QueryRow(t.Context(), `SELECT d::text FROM account_directory d`).Scan(&row); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(row, "eu-west-1") || strings.Contains(row, "ada") {
		t.Errorf("the GLOBAL row is %s", row)
	}
}

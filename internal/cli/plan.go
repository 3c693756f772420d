package cli

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/meridian-commerce/meridian/internal/capacity"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/regions"
)

// planFlags are the command line of `plan`.
type planFlags struct {
	orders, growth      string
	traffic             string
	horizon             int
	regions             []string
	regionsFile         string
	share, mix, fleet   map[string]string
	headroom            string
	profile, prices     string
	output              string
	target, limit, sell string
	assume              capacity.Assumptions
}

func planCommand() *cobra.Command {
	f := planFlags{assume: capacity.DefaultAssumptions()}
	c := &cobra.Command{
		Use: "plan", Short: "Work out pods, machines, disks and money for a load, and whether a region may be lost", Args: cobra.NoArgs,
		Long: "Work out how many pods, machines, database nodes and cache nodes a load takes, how the database grows and what a\n" +
			"month costs, and what is left of all of it with any one region lost. A plan in which a survivor would pass its limit\n" +
			"is refused: the exit code is then 1.\n\n" +
			"It starts from what requests were measured to cost (`meridian-sim bench` measures that), from list prices, and from\n" +
			"assumptions, each of which it prints. docs/explanation/capacity.md gives the grounds.",
		Example: "  meridian plan --orders-per-second 500 --growth 3x\n" +
			"  meridian plan --orders-per-second 40 --regions us-east-1,eu-west-1,ap-southeast-1 --share us-east-1=50%,eu-west-1=30%,ap-southeast-1=20%\n" +
			"  meridian plan --traffic orders.csv --horizon 60 --growth 10x\n" +
			"  meridian plan --orders-per-second 500 --fleet us-east-1=60,eu-west-1=60,ap-southeast-1=60 --output json",
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.OutOrStdout()) },
	}
	f.add(c)
	return c
}

func (f *planFlags) add(c *cobra.Command) {
	fs, a := c.Flags(), &f.assume
	fs.StringVar(&f.orders, "orders-per-second", "", "orders a second at the peak, in all regions together")
	fs.StringVar(&f.traffic, "traffic", "", "instead of --orders-per-second: CSV file of past days (date,orders[,region]) to forecast from")
	fs.IntVar(&f.horizon, "horizon", 30, "days to forecast")
	fs.StringVar(&f.growth, "growth", "1x", "times as many orders: 3x, 1.5")
	fs.StringSliceVar(&f.regions, "regions", nil, "regions of the regions file; default: all")
	fs.StringVar(&f.regionsFile, "regions-file", "", "regions file (YAML); default: the built-in one")
	fs.StringToStringVar(&f.share, "share", nil, "parts of the orders by home region: us-east-1=50%,…; default: as the traffic file has them, else equal")
	fs.StringToStringVar(&f.mix, "mix", nil, "weights of the journeys: browse=300,product=260,…; default: those of the load generator")
	fs.StringVar(&f.headroom, "headroom", string(capacity.SurviveRegion), "loss to size for: region, or none")
	fs.StringToStringVar(&f.fleet, "fleet", nil, "checkout pods that there are, by region, instead of as many as it takes: us-east-1=60,…")
	fs.StringVar(&f.target, "utilization", "60%", "most of its capacity that anything uses at the peak")
	fs.StringVar(&f.limit, "limit", "85%", "most of its capacity that anything uses with a region lost")
	fs.Float64Var(&a.PeakToMean, "peak-to-mean", a.PeakToMean, "the peak's rate over the mean, of a month or, with --traffic, of the busiest day")
	fs.Float64Var(&a.SignIns, "sign-ins-per-order", a.SignIns, "sign-ins for each order")
	fs.IntVar(&a.ConnsPerPod, "max-conns", a.ConnsPerPod, "database connections of a checkout pod: its database.max_conns")
	fs.IntVar(&a.Payments, "payment-concurrency", a.Payments, "payments of a region worked on at the same time: its payment.concurrency")
	fs.StringVar(&f.sell, "hot-share", "4%", "part of the orders that hold the best-selling variant")
	fs.IntVar(&a.Months, "months", a.Months, "months of growth that disks have room for")
	fs.IntVar(&a.Products, "products", a.Products, "products in the catalog")
	fs.StringVar(&f.profile, "profile", "", "what requests cost, as meridian-sim bench wrote it; default: as measured for this release")
	fs.StringVar(&f.prices, "prices", "", "price table (YAML); default: the built-in one")
	fs.StringVar(&f.output, "output", string(capacity.Table), "table, json or yaml")
}

func (f *planFlags) run(out io.Writer) error {
	in, forecast, err := f.input()
	if err != nil {
		return err
	}
	plan, err := capacity.Make(in)
	if err != nil {
		return err
	}
	if err := capacity.Print(out, capacity.Result{Forecast: forecast, Plan: plan}, capacity.Format(f.output)); err != nil {
		return err
	}
	if !plan.Accepted {
		return fault.New(fault.FailedPrecondition, "PLAN_REFUSED", "the plan is refused: %s", plan.Refusals[0])
	}
	return nil
}

// input reads everything that the flags name.
func (f *planFlags) input() (capacity.Input, *capacity.Forecast, error) {
	in := capacity.Input{
		Catalog: regions.Default(), Headroom: capacity.Headroom(f.headroom), Assumptions: f.assume,
		Profile: capacity.DefaultProfile(), Prices: capacity.DefaultPrices(),
	}
	for _, n := range f.regions {
		in.Regions = append(in.Regions, regions.Name(n))
	}
	if err := f.files(&in); err != nil {
		return in, nil, err
	}
	if err := f.numbers(&in); err != nil {
		return in, nil, err
	}
	if (f.orders == "") == (f.traffic == "") {
		return in, nil, usage("give either --orders-per-second or --traffic")
	}
	if f.traffic == "" {
		var err error
		in.Demand.Orders, err = number("--orders-per-second", f.orders)
		return in, nil, err
	}
	forecast, err := f.forecast(&in)
	return in, forecast, err
}

// forecast takes the demand from past traffic.
func (f *planFlags) forecast(in *capacity.Input) (*capacity.Forecast, error) {
	traffic, err := read(f.traffic, capacity.ReadTraffic)
	if err != nil {
		return nil, err
	}
	forecast, err := capacity.Predict(traffic, f.horizon)
	if err != nil {
		return nil, err
	}
	in.Demand.Orders, in.Demand.Daily = forecast.OrdersPerSecond(f.assume.PeakToMean), forecast.Mean
	if len(in.Demand.Shares) == 0 {
		in.Demand.Shares = traffic.Shares(28)
	}
	return &forecast, nil
}

// files reads the regions file, the profile and the prices where they are not the built-in ones.
func (f *planFlags) files(in *capacity.Input) (err error) {
	if f.regionsFile != "" {
		if in.Catalog, err = regions.Load(f.regionsFile); err != nil {
			return fault.Wrap(err, fault.Invalid, "CONFIG_INVALID", "the regions file cannot be used")
		}
	}
	if f.profile != "" {
		if in.Profile, err = read(f.profile, capacity.ReadProfile); err != nil {
			return err
		}
	}
	if f.prices != "" {
		in.Prices, err = read(f.prices, capacity.ReadPrices)
	}
	return err
}

func read[T any](name string, parse func(io.Reader) (T, error)) (T, error) {
	file, err := os.Open(name)
	if err != nil {
		var zero T
		return zero, fault.Wrap(err, fault.Invalid, "FILE_UNREADABLE", "cannot read %s", name)
	}
	defer func() { _ = file.Close() }() // only read
	return parse(file)
}

// numbers reads the flags that are numbers in a form of their own.
func (f *planFlags) numbers(in *capacity.Input) (err error) {
	if in.Demand.Growth, err = number("--growth", strings.TrimSuffix(f.growth, "x")); err != nil {
		return err
	}
	a := &in.Assumptions
	for _, one := range []struct {
		flag, text string
		into       *float64
	}{{"--utilization", f.target, &a.Target}, {"--limit", f.limit, &a.Limit}, {"--hot-share", f.sell, &a.HotShare}} {
		if *one.into, err = number(one.flag, one.text); err != nil {
			return err
		}
	}
	if in.Demand.Shares, err = numbers[regions.Name]("--share", f.share); err != nil {
		return err
	}
	if in.Demand.Mix, err = numbers[string]("--mix", f.mix); err != nil {
		return err
	}
	fleet, err := numbers[regions.Name]("--fleet", f.fleet)
	for n, pods := range fleet {
		if in.Fleet == nil {
			in.Fleet = map[regions.Name]int{}
		}
		in.Fleet[n] = int(min(pods, 1e9))
	}
	return err
}

// numbers reads a flag of names and numbers; nil where it is not given.
func numbers[K ~string](flag string, given map[string]string) (map[K]float64, error) {
	var out map[K]float64
	for _, name := range slices.Sorted(maps.Keys(given)) {
		x, err := number(flag+" "+name, given[name])
		if err != nil {
			return nil, err
		}
		if out == nil {
			out = map[K]float64{}
		}
		out[K(name)] = x
	}
	return out, nil
}

// number reads a number, or a percentage as a part of 1.
func number(flag, text string) (float64, error) {
	digits, percent := strings.CutSuffix(text, "%")
	x, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
	if err != nil {
		return 0, usage(fmt.Sprintf("%s: %q is no number", flag, text))
	}
	if percent {
		x /= 100
	}
	return x, nil
}

func usage(text string) error { return fmt.Errorf("%w: %s; see meridian plan --help", errUsage, text) }

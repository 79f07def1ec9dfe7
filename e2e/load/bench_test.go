package load

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
)

// benchSize is how much a run of the benchmark measures.
type benchSize struct {
	rounds      int
	slice       time.Duration // of one subject with one number of connections, in each round
	configs     int           // in addition to the one that is read alone
	reads, more int           // after which the plugin's memory is measured
	signed      int           // calls through apisig-proxy's counterpart that are signed ahead, in each round
	crowd       int           // connections to apisig-proxy at once, when its memory is measured
}

// fullBench is for make bench. shortBench only shows that the benchmark runs.
var (
	fullBench = benchSize{
		rounds:  7,
		slice:   1500 * time.Millisecond,
		configs: 10_000,
		reads:   10_000,
		more:    1_000_000,
		signed:  20_000,
		crowd:   1000,
	}
	shortBench = benchSize{
		rounds:  1,
		slice:   30 * time.Millisecond,
		configs: 20,
		reads:   200,
		more:    400,
		signed:  1000,
		crowd:   100,
	}
)

// subject is a kind of request that is measured.
type subject struct {
	name    string
	request request
	signs   int // signatures in an answer
}

// results are the loads of each subject, by connections, one for each round.
type results map[string]map[int][]load

var benchConnections = []int{1, 16, 64}

func sizeOfBench() benchSize {
	if os.Getenv("BENCH") == "full" {
		return fullBench
	}
	return shortBench
}

// TestBench is the benchmark. make bench runs it in full, by BENCH=full. It fails if a request does, never for a
// figure.
func TestBench(t *testing.T) {
	t.Parallel()
	size := sizeOfBench()
	server := harness.StartQuiet(t)
	m := server.MountApisig(t)
	installFloor(t, server)
	setUpBench(m)
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	defer out.Flush()
	fmt.Fprintf(out, "\nVault %s, %d rounds of %s; medians over the rounds, ratios within each round\n",
		versionOf(t, m), size.rounds, size.slice)

	get := func(name, path string) subject {
		return subject{name: name, request: request{method: http.MethodGet, path: path}, signs: 1}
	}
	put := func(name, path, body string, signs int) subject {
		return subject{name: name, request: request{method: http.MethodPut, path: path, body: body}, signs: signs}
	}
	unleased := []subject{
		get("nothing", "floor/nothing"),
		get("creds/pave", "apisig/creds/pave/main"),
		get("sign/avanan GET", "apisig/sign/avanan/us?request_string=/v1.0/event/1"),
		put("sign/avanan PUT", "apisig/sign/avanan/us", `{"request_string":"/v1.0/event/1"}`, 1),
		put("sign/avanan batch of 100", "apisig/sign/avanan/us/batch", batchOf(100), 100),
		put("sign/custom PUT", "apisig/sign/custom/orders", `{"method":"GET","request_string":"/custom/v1/orders/1"}`, 1),
		put("transit/hmac", "transit/hmac/key", `{"input":"aGVsbG8="}`, 1),
		get("kv v2", "secret/data/key"),
	}
	leased := []subject{get("nothing, leased", "floor/leased"), get("creds/avanan", "apisig/creds/avanan/us")}
	measured := results{}
	measured.measure(t, server, size, unleased)
	measured.measure(t, server, size, leased)
	measured.print(out, unleased, "nothing", "transit/hmac")
	measured.print(out, leased, "nothing, leased", "")
	measured.printGoals(out)
	benchConfigs(t, m, size, out)
	benchMemory(t, m, size, out)
}

// installFloor builds and mounts the plugin that does nothing.
func installFloor(t *testing.T, server *harness.Server) {
	t.Helper()
	const name = "donothing"
	harness.Run(t, harness.GoBuild(filepath.Join(server.Plugins(), name), "./e2e/load/donothing"))
	require.NoError(t, server.Register(name, name, ""))
	require.NoError(t, server.Client.Sys().MountWithContext(t.Context(), "floor", &api.MountInput{Type: name}))
}

// setUpBench writes what the subjects read. Dev mode has kv v2 at secret/.
func setUpBench(m *harness.Mount) {
	m.T.Helper()
	m.Write("config/pave/main", m.PaveValues())
	m.Write("config/avanan/us", m.AvananValues())
	m.WriteCustom("orders")
	require.NoError(m.T, m.Client.Sys().MountWithContext(m.T.Context(), "transit", &api.MountInput{Type: "transit"}))
	for path, data := range map[string]values{
		"transit/keys/key": {"type": "hmac", "key_size": 32},
		"secret/data/key":  {"data": values{"value": "nothing"}},
	} {
		_, err := m.Client.Logical().WriteWithContext(m.T.Context(), path, data)
		require.NoError(m.T, err)
	}
}

func versionOf(t *testing.T, m *harness.Mount) string {
	t.Helper()
	health, err := m.Client.Sys().HealthWithContext(t.Context())
	require.NoError(t, err)
	return health.Version
}

func batchOf(n int) string {
	requestStrings := make([]string, n)
	for i := range requestStrings {
		requestStrings[i] = fmt.Sprintf("/v1.0/event/%d", i)
	}
	encoded, _ := json.Marshal(values{"request_strings": requestStrings})
	return string(encoded)
}

// measure measures subjects in turn, round after round, so that other load on the machine affects all of them alike.
func (r results) measure(t *testing.T, server *harness.Server, size benchSize, subjects []subject) {
	t.Helper()
	for round := range size.rounds + 1 {
		for _, connections := range benchConnections {
			for _, s := range subjects {
				got, err := runLoad(server, connections, func(int, int) request { return s.request }, until(size.slice))
				require.NoError(t, err, s.name)
				if r[s.name] == nil {
					r[s.name] = map[int][]load{}
				}
				if round > 0 { // the first warms up
					r[s.name][connections] = append(r[s.name][connections], got)
				}
			}
		}
	}
}

func median(figures []float64) float64 {
	slices.Sort(figures)
	return figures[len(figures)/2]
}

// median of a figure over the rounds.
func (r results) median(subject string, connections int, figure func(load) float64) float64 {
	var figures []float64
	for _, got := range r[subject][connections] {
		figures = append(figures, figure(got))
	}
	return median(figures)
}

// ratio is the median over the rounds of one subject's figure to another's in the same round.
func (r results) ratio(subject, to string, connections int, figure func(load) float64) float64 {
	var ratios []float64
	for round, got := range r[subject][connections] {
		ratios = append(ratios, figure(got)/figure(r[to][connections][round]))
	}
	return median(ratios)
}

func p50(l load) float64 { return l.quantile(0.5).Seconds() * 1000 }
func p99(l load) float64 { return l.quantile(0.99).Seconds() * 1000 }

// speed is how fast one request is.
func speed(l load) float64 { return 1 / p50(l) }

func (r results) print(out *tabwriter.Writer, subjects []subject, floor, other string) {
	fmt.Fprintf(out, "\nrequest\tconnections\trequests/s\tp50 ms\tp99 ms\trequests/s to %q", floor)
	if other != "" {
		fmt.Fprintf(out, "\tto %s", other)
	}
	fmt.Fprintln(out)
	for _, s := range subjects {
		for _, connections := range benchConnections {
			fmt.Fprintf(out, "%s\t%d\t%.0f\t%.3f\t%.3f\t%.2f", s.name, connections,
				r.median(s.name, connections, load.rate),
				r.median(s.name, connections, p50),
				r.median(s.name, connections, p99),
				r.ratio(s.name, floor, connections, load.rate))
			if other != "" {
				fmt.Fprintf(out, "\t%.2f", r.ratio(s.name, other, connections, load.rate))
			}
			fmt.Fprintln(out)
		}
	}
}

func (r results) printGoals(out *tabwriter.Writer) {
	fmt.Fprintln(out, "\nratio\tgoal\tmeasured")
	goal := func(what string, least, measured float64) {
		fmt.Fprintf(out, "%s\t%.2f\t%.2f\n", what, least, measured)
	}
	rate := func(subject, to string) float64 { return r.ratio(subject, to, 16, load.rate) }
	goal("creds/pave to nothing: speed (1/p50) at 1 connection", 1.15, r.ratio("creds/pave", "nothing", 1, speed))
	goal("creds/pave to nothing: requests/s at 16", 1.05, rate("creds/pave", "nothing"))
	goal("sign/avanan by GET to nothing: requests/s at 16", 1, rate("sign/avanan GET", "nothing"))
	goal("sign/custom by PUT to sign/avanan by PUT: requests/s at 16", 0.95, rate("sign/custom PUT", "sign/avanan PUT"))
	fmt.Fprintf(out, "sign/avanan by PUT to the same by GET: requests/s at 16\tnone\t%.2f\n",
		rate("sign/avanan PUT", "sign/avanan GET"))
	goal("creds/avanan to nothing, leased: requests/s at 16", 1.05, rate("creds/avanan", "nothing, leased"))
	goal("creds/pave to transit/hmac: requests/s at 16", 0.68, rate("creds/pave", "transit/hmac"))
	for _, connections := range benchConnections {
		batch := 100 * r.ratio("sign/avanan batch of 100", "sign/avanan PUT", connections, load.rate)
		goal(fmt.Sprintf("signatures/s, batch of 100 to single PUT, at %d", connections), 40, batch)
	}
}

// benchConfigs compares reads of one config to reads of many.
func benchConfigs(t *testing.T, m *harness.Mount, size benchSize, out *tabwriter.Writer) {
	t.Helper()
	reads := make([]request, size.configs)
	for i := range reads {
		name := fmt.Sprintf("many-%05d", i)
		m.Write("config/pave/"+name, m.PaveValues())
		reads[i] = request{method: http.MethodGet, path: "apisig/creds/pave/" + name}
	}
	one := []request{{method: http.MethodGet, path: "apisig/creds/pave/main"}}
	read := func(requests []request, more func(int) bool) load {
		// The stride is coprime to their number, so that each is read as often as the others.
		got, err := runLoad(m.Server, 1, func(_, sent int) request { return requests[sent*7919%len(requests)] }, more)
		require.NoError(t, err)
		return got
	}
	read(reads, func(sent int) bool { return sent < len(reads) })
	var ratios []float64
	for range size.rounds {
		few := read(one, until(size.slice))
		ratios = append(ratios, p50(read(reads, until(size.slice)))/p50(few))
	}
	fmt.Fprintf(out, "p50 with %d configs to p50 with one (goal: at most 1.05)\t\t%.2f\n", size.configs, median(ratios))
}

// benchMemory compares the plugin's resident memory after many reads to that after few.
func benchMemory(t *testing.T, m *harness.Mount, size benchSize, out *tabwriter.Writer) {
	t.Helper()
	requests := []request{
		{method: http.MethodGet, path: "apisig/creds/pave/main"},
		{method: http.MethodGet, path: "apisig/sign/avanan/us?request_string=/v1.0/event/1"},
	}
	processes := harness.PluginProcesses(m.Server)
	if len(processes) == 0 {
		fmt.Fprintln(out, "the plugin's memory cannot be measured: there is no /proc")
		return
	}
	const connections = 16
	read := func(n int) int {
		_, err := runLoad(m.Server, connections,
			func(_, sent int) request { return requests[sent%len(requests)] },
			func(sent int) bool { return sent < n/connections })
		require.NoError(t, err)
		return memoryKiB(t, processes[0], resident)
	}
	few, many := read(size.reads), read(size.more)
	fmt.Fprintf(out, "plugin's resident memory after %d reads, to that after %d more "+
		"(goal: at most 1.05, below 64 MiB)\t%d MiB, %d MiB\t%.2f\n",
		size.reads, size.more, few>>10, many>>10, float64(many)/float64(few))
}

package load

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
)

// request is a request to Vault.
type request struct {
	method, path, body string
	headers            map[string]string
}

// load is the result of sending requests for a while.
type load struct {
	latencies []time.Duration // sorted
	elapsed   time.Duration
}

func (l load) rate() float64 { return float64(len(l.latencies)) / l.elapsed.Seconds() }

// quantile is the latency that a share q of the requests did not exceed.
func (l load) quantile(q float64) time.Duration {
	return l.latencies[min(len(l.latencies)-1, int(q*float64(len(l.latencies))))]
}

// runLoad sends requests over concurrent connections, one after the other on each. next returns a connection's next
// request, and more whether there is one, given the number that the connection has sent. An answer other than 200 or
// 204 is an error, which has the status only.
func runLoad(
	server *harness.Server, connections int, next func(connection, sent int) request, more func(sent int) bool,
) (load, error) {
	transport := &http.Transport{MaxIdleConnsPerHost: connections, DisableCompression: true}
	defer transport.CloseIdleConnections()
	var (
		mu      sync.Mutex
		all     load
		failure error
		workers sync.WaitGroup
	)
	began := time.Now()
	for connection := range connections {
		workers.Go(func() {
			var latencies []time.Duration
			var err error
			for sent := 0; err == nil && more(sent); sent++ {
				begun := time.Now()
				err = send(server, transport, next(connection, sent))
				latencies = append(latencies, time.Since(begun))
			}
			mu.Lock()
			defer mu.Unlock()
			all.latencies = append(all.latencies, latencies...)
			if err != nil {
				failure = err
			}
		})
	}
	workers.Wait()
	all.elapsed = time.Since(began)
	slices.Sort(all.latencies)
	return all, failure
}

// send sends one request as the operator and reads its answer to the end.
func send(server *harness.Server, transport http.RoundTripper, r request) error {
	url := server.Address + "/v1/" + r.path
	req, err := http.NewRequestWithContext(context.Background(), r.method, url, strings.NewReader(r.body))
	if err != nil {
		return err
	}
	req.Header.Set("X-Vault-Token", server.Client.Token())
	for name, value := range r.headers {
		req.Header.Set(name, value)
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusNoContent {
		return fmt.Errorf("%s %s: status %d", r.method, r.path, resp.StatusCode)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// until returns a function for runLoad that ends the load after a while.
func until(duration time.Duration) func(int) bool {
	deadline := time.Now().Add(duration)
	return func(int) bool { return time.Now().Before(deadline) }
}

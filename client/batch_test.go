package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/client"
)

// batchVault answers as sign/avanan/:name/batch does, one request at a time: each waits until the test lets it go.
// Request strings that begin with /wrong are refused, /down fails with 404, and /hold is not answered.
type batchVault struct {
	let chan struct{}

	mu       sync.Mutex
	requests []batchRequest
	refusal  int  // the status of what has a wrong request string
	ended    bool // the token has
	denies   bool // reports of a 401, as a policy without the parameter does
	warning  string
	results  func(results []any) []any // changes what is answered; nil: does not
}

// batchRequest is what a batch path was sent.
type batchRequest struct {
	Strings      []string            `json:"request_strings"`
	Requests     []map[string]string `json:"requests"`
	Unauthorized bool                `json:"unauthorized"`
}

// newBatching returns a signer for a batch path, and what stands in Vault's place. Both are for use in a bubble of
// synctest.
func newBatching(t *testing.T) (*client.Signer, *batchVault) {
	t.Helper()
	vault := &batchVault{let: make(chan struct{}), refusal: http.StatusBadRequest}
	config := api.DefaultConfig()
	config.HttpClient = &http.Client{Transport: vault}
	made, err := api.NewClient(config)
	require.NoError(t, err)
	return &client.Signer{Vault: made, Path: "apisig/sign/avanan/us/batch"}, vault
}

func (v *batchVault) RoundTrip(r *http.Request) (*http.Response, error) {
	var request batchRequest
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		return nil, err
	}
	for _, inputs := range request.Requests {
		request.Strings = append(request.Strings, inputs["request_string"])
	}
	v.mu.Lock()
	v.requests = append(v.requests, request)
	v.mu.Unlock()
	select {
	case <-r.Context().Done():
		return nil, r.Context().Err()
	case <-v.letFor(request):
	}
	if slices.Contains(request.Strings, "/empty") {
		return &http.Response{StatusCode: http.StatusNoContent, Body: http.NoBody, Request: r}, nil
	}
	status, answer := http.StatusOK, map[string]any{}
	wrong := slices.ContainsFunc(request.Strings, func(s string) bool { return strings.HasPrefix(s, "/wrong") })
	switch {
	case slices.Equal(request.Strings, []string{"/down"}):
		status, answer = http.StatusNotFound, map[string]any{"errors": []string{}}
	case v.ended:
		const reason = "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"
		status, answer = http.StatusForbidden, map[string]any{"errors": []string{reason}}
	case wrong || request.Unauthorized && v.denies:
		status, answer = v.refusal, map[string]any{"errors": []string{"request_strings[0] is wrong"}}
	default:
		results := []any{}
		for _, s := range request.Strings {
			headers := map[string]string{"x-av-sig": "of " + s}
			results = append(results, map[string]any{"headers": headers, "url": "https://vendor.example" + s})
		}
		if v.results != nil {
			results = v.results(results)
		}
		answer["data"], answer["warnings"] = map[string]any{"results": results}, []string{v.warning}
	}
	encoded, err := json.Marshal(answer)
	return &http.Response{StatusCode: status, Body: io.NopCloser(bytes.NewReader(encoded)), Request: r}, err
}

func (v *batchVault) letFor(request batchRequest) <-chan struct{} {
	if slices.Equal(request.Strings, []string{"/hold"}) {
		return nil
	}
	return v.let
}

// seen are the requests so far, the request strings of each joined.
func (v *batchVault) seen() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	var seen []string
	for _, request := range v.requests {
		text := strings.Join(request.Strings, " ")
		if request.Unauthorized {
			text += " unauthorized"
		}
		seen = append(seen, text)
	}
	return seen
}

// signed is what a call got.
type signed struct {
	*client.Signed
	err error
}

// sign has calls signed in the background, each in its turn, and returns what they will have got.
func sign(t *testing.T, signer *client.Signer, rejected *client.Signed, requestStrings ...string) []*signed {
	t.Helper()
	var all []*signed
	for _, s := range requestStrings {
		got := &signed{}
		all = append(all, got)
		go func() {
			parameters := map[string]any{"request_string": s}
			got.Signed, got.err = signer.Sign(t.Context(), client.Call{Parameters: parameters, Rejected: rejected})
		}()
		synctest.Wait()
	}
	return all
}

// Two requests are under way at most. Calls that come in meanwhile are signed by the next, each with its own signature.
func TestCallsAreSignedTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		signer, vault := newBatching(t)
		vault.warning = "stale"
		var mu sync.Mutex
		var batched []int
		signer.Batched = func(calls int) {
			mu.Lock()
			defer mu.Unlock()
			batched = append(batched, calls)
		}
		calls := sign(t, signer, nil, "/1", "/2", "/3", "/4", "/5")
		require.Equal(t, []string{"/1", "/2"}, vault.seen())
		vault.let <- struct{}{}
		synctest.Wait()
		require.Equal(t, []string{"/1", "/2", "/3 /4 /5"}, vault.seen())
		calls = append(calls, sign(t, signer, nil, "/6")...)
		require.Len(t, vault.seen(), 3)
		close(vault.let)
		synctest.Wait()
		require.Equal(t, []string{"/1", "/2", "/3 /4 /5", "/6"}, vault.seen())
		for i, call := range calls {
			require.NoError(t, call.err)
			require.Equal(t, map[string]string{"x-av-sig": fmt.Sprint("of /", i+1)}, call.Headers)
			require.Equal(t, fmt.Sprint("https://vendor.example/", i+1), call.URL)
			require.Equal(t, []string{"stale"}, call.Warnings)
		}
		require.ElementsMatch(t, []int{1, 1, 3, 1}, batched)
	})
}

// A request is for a hundred request strings at most, or for 64 maps of inputs; other calls go with the next.
func TestBatchesAreLimited(t *testing.T) {
	t.Parallel()
	for path, want := range map[string][]int{
		"apisig/sign/avanan/us/batch": {1, 1, 100, 100, 50},
		"apisig/sign/custom/x/batch":  {1, 1, 64, 64, 64, 58},
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				signer, vault := newBatching(t)
				signer.Path = path
				requestStrings := make([]string, 2+250)
				for i := range requestStrings {
					requestStrings[i] = fmt.Sprint("/", i)
				}
				calls := sign(t, signer, nil, requestStrings...)
				close(vault.let)
				synctest.Wait()
				var sizes []int
				for _, request := range vault.requests {
					sizes = append(sizes, len(request.Strings))
				}
				require.ElementsMatch(t, want, sizes)
				for i, call := range calls {
					require.NoError(t, call.err)
					require.Equal(t, "https://vendor.example"+requestStrings[i], call.URL)
				}
			})
		})
	}
}

// A call that the engine or a policy refuses costs the others nothing. What has nothing to do with the calls is not
// tried with fewer.
func TestWrongCallFailsAlone(t *testing.T) {
	t.Parallel()
	for name, status := range map[string]int{
		"the engine":  http.StatusBadRequest,
		"a policy":    http.StatusForbidden,
		"not a mount": http.StatusNotFound,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				signer, vault := newBatching(t)
				vault.refusal = status
				calls := sign(t, signer, nil, "/0", "/1", "/2", "/3", "/wrong", "/5", "/6")
				close(vault.let)
				synctest.Wait()
				want := []string{"/0", "/1", "/2 /3 /wrong /5 /6"}
				if status != http.StatusNotFound {
					want = append(want, "/2 /3", "/wrong /5 /6", "/wrong", "/5 /6")
				}
				require.ElementsMatch(t, want, vault.seen())
				for i, call := range calls {
					if i == 4 || i > 1 && status == http.StatusNotFound {
						require.ErrorContains(t, call.err, "request_strings[0] is wrong")
						continue
					}
					require.NoError(t, call.err)
					require.Equal(t, fmt.Sprint("https://vendor.example/", i), call.URL)
				}
			})
		})
	}
}

// That the token has ended is not asked for each half.
func TestEndedTokenFailsAllCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		signer, vault := newBatching(t)
		vault.ended = true
		calls := sign(t, signer, nil, "/0", "/1", "/2", "/3")
		close(vault.let)
		synctest.Wait()
		require.Equal(t, []string{"/0", "/1"}, vault.seen())
		for _, call := range calls {
			require.ErrorContains(t, call.err, "invalid token")
		}
	})
}

// Without one result for each call, no call gets another's.
func TestResultsAreForTheirCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		signer, vault := newBatching(t)
		calls := sign(t, signer, nil, "/1", "/2", "/3", "/4")
		vault.results = func(results []any) []any { return results[:1] }
		close(vault.let)
		synctest.Wait()
		require.Len(t, vault.seen(), 3)
		for i, call := range calls {
			if i < 2 {
				require.NoError(t, call.err)
				continue
			}
			require.ErrorContains(t, call.err, "1 results for 2 calls")
		}
		vault.results = func(results []any) []any { return append(results, results[0]) }
		calls = sign(t, signer, nil, "/1")
		require.ErrorContains(t, calls[0].err, "2 results for 1 calls")
		vault.results = func(results []any) []any { return append(results[1:], map[string]any{"headers": "x"}) }
		calls = sign(t, signer, nil, "/1")
		require.ErrorContains(t, calls[0].err, "has no headers")
		calls = sign(t, signer, nil, "/empty")
		require.EqualError(t, calls[0].err, "the answer of apisig/sign/avanan/us/batch is empty")
	})
}

// A 401 is reported by the request that signs the call again, and by no other. One whose call is not made again is
// reported by the next.
func TestBatchReports401(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		signer, vault := newBatching(t)
		sign(t, signer, nil, "/1", "/2", "/3")
		sign(t, signer, &client.Signed{}, "/4")
		sign(t, signer, nil, "/5")
		close(vault.let)
		synctest.Wait()
		sign(t, signer, nil, "/6")
		signer.Reject(&client.Signed{})
		sign(t, signer, nil, "/7", "/8")
		require.Equal(t, []string{"/1", "/2", "/3 /4 /5 unauthorized", "/6", "/7 unauthorized", "/8"}, vault.seen())
	})
}

// Where the policy does not list unauthorized, the call that reports a 401 fails, and no other.
func TestDeniedReportFailsAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		signer, vault := newBatching(t)
		vault.denies, vault.refusal = true, http.StatusForbidden
		sign(t, signer, nil, "/1", "/2")
		calls := sign(t, signer, nil, "/3", "/4")
		calls = append(calls, sign(t, signer, &client.Signed{}, "/5")...)
		calls = append(calls, sign(t, signer, nil, "/6")...)
		close(vault.let)
		synctest.Wait()
		require.ElementsMatch(t, []string{
			"/1", "/2", "/3 /4 /5 /6 unauthorized", "/3 /4", "/5 /6 unauthorized", "/5 unauthorized", "/6",
		}, vault.seen())
		for i, call := range calls {
			if i == 2 {
				require.ErrorContains(t, call.err, "403")
				continue
			}
			require.Equal(t, fmt.Sprint("https://vendor.example/", i+3), call.URL)
		}
	})
}

// Both halves of calls that Vault refused are asked for at once.
func TestHalvesAreSignedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		signer, vault := newBatching(t)
		vault.refusal = http.StatusForbidden
		sign(t, signer, nil, "/1", "/2")
		calls := sign(t, signer, nil, slices.Repeat([]string{"/wrong"}, 8)...)
		for range 2 + 1 { // and all of the eight
			vault.let <- struct{}{}
			synctest.Wait()
		}
		require.Len(t, vault.seen(), 2+1+2)
		vault.let <- struct{}{} // one half, so that its halves are asked for beside the other
		synctest.Wait()
		require.Len(t, vault.seen(), 2+1+2+2)
		close(vault.let)
		synctest.Wait()
		require.Len(t, vault.seen(), 2+1+2+4+8)
		for _, call := range calls {
			require.ErrorContains(t, call.err, "403")
		}
	})
}

// A call that gives up before it is in a request is not signed. A 401 that it reports is reported by the next.
func TestCallThatGivesUpIsNotSigned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		signer, vault := newBatching(t)
		sign(t, signer, nil, "/1", "/2")
		gaveUp := make(chan error)
		var hangUps []context.CancelFunc
		for _, rejected := range []*client.Signed{{}, nil} {
			hasty, hangUp := context.WithCancel(t.Context())
			hangUps = append(hangUps, hangUp)
			go func() {
				parameters := map[string]any{"request_string": "/hasty"}
				_, err := signer.Sign(hasty, client.Call{Parameters: parameters, Rejected: rejected})
				gaveUp <- err
			}()
			synctest.Wait()
		}
		sign(t, signer, nil, "/3")
		for _, hangUp := range hangUps {
			hangUp()
			require.ErrorIs(t, <-gaveUp, context.Canceled)
		}
		sign(t, signer, nil, "/4")
		close(vault.let)
		synctest.Wait()
		require.Equal(t, []string{"/1", "/2", "/3 /4 unauthorized"}, vault.seen())
	})
}

// While Vault is down, a call fails when the first request fails that it waits for. The next call is tried.
func TestWaitingCallsFailWithVault(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		signer, vault := newBatching(t)
		vault.refusal = http.StatusNotFound
		calls := sign(t, signer, nil, append([]string{"/wrong", "/1"}, slices.Repeat([]string{"/"}, 250)...)...)
		vault.let <- struct{}{}
		synctest.Wait()
		require.NoError(t, calls[1].err)
		require.Nil(t, calls[1].Signed)
		for _, call := range slices.Concat(calls[:1], calls[2:]) {
			require.ErrorContains(t, call.err, "404")
		}
		calls = append(calls[1:2], sign(t, signer, nil, "/2")...)
		close(vault.let)
		synctest.Wait()
		for i, call := range calls {
			require.Equal(t, fmt.Sprint("https://vendor.example/", i+1), call.URL)
		}
		require.Equal(t, []string{"/wrong", "/1", "/2"}, vault.seen())
	})
}

// A call that Vault refuses does not fail those that wait.
func TestWaitingCallsDoNotFailWithARefusedOne(t *testing.T) {
	t.Parallel()
	for name, status := range map[string]int{"the engine": http.StatusBadRequest, "a policy": http.StatusForbidden} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				signer, vault := newBatching(t)
				vault.refusal = status
				calls := sign(t, signer, nil, "/wrong", "/1", "/2", "/3")
				close(vault.let)
				synctest.Wait()
				require.Error(t, calls[0].err)
				for _, call := range calls[1:] {
					require.NoError(t, call.err)
				}
			})
		})
	}
}

// Vault may fail for one half of refused calls while others wait: each gets its own error.
func TestVaultFailsForOneHalf(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		signer, vault := newBatching(t)
		calls := sign(t, signer, nil, "/hold", "/1", "/down", "/wrong")
		vault.let <- struct{}{}
		synctest.Wait()
		calls = append(calls, sign(t, signer, nil, "/late")...)
		close(vault.let)
		synctest.Wait()
		require.Equal(t, []string{"/hold", "/1", "/down /wrong"}, vault.seen()[:3])
		require.Len(t, vault.seen(), 5)
		require.ErrorContains(t, calls[2].err, "404")
		require.ErrorContains(t, calls[3].err, "400")
		require.ErrorContains(t, calls[4].err, "404")
		time.Sleep(time.Minute) // on the clock of synctest's bubble: no real time passes
		synctest.Wait()
		require.ErrorIs(t, calls[0].err, context.DeadlineExceeded)
	})
}

// A call that gives up does not end the request that others wait for. A Vault that does not answer does, after a
// minute.
func TestCallThatGivesUpDoesNotEndTheBatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		signer, vault := newBatching(t)
		hasty, hangUp := context.WithCancel(t.Context())
		gaveUp := make(chan error)
		go func() {
			_, err := signer.Sign(hasty, client.Call{Parameters: map[string]any{"request_string": "/hasty"}})
			gaveUp <- err
		}()
		synctest.Wait()
		calls := sign(t, signer, nil, "/1", "/2", "/3")
		hangUp()
		require.ErrorIs(t, <-gaveUp, context.Canceled)
		vault.let <- struct{}{}
		vault.let <- struct{}{}
		synctest.Wait()
		require.Equal(t, []string{"/hasty", "/1", "/2 /3"}, vault.seen())
		require.NoError(t, calls[0].err)
		time.Sleep(time.Minute) // on the clock of synctest's bubble: no real time passes
		synctest.Wait()
		for _, call := range calls[1:] {
			require.ErrorIs(t, call.err, context.DeadlineExceeded)
		}
	})
}

// Avanan's batch path takes a request string alone.
func TestBatchTakesRequestStringAlone(t *testing.T) {
	t.Parallel()
	for name, parameters := range map[string]map[string]any{
		"nothing":      nil,
		"no string":    {"request_string": 1},
		"and a method": {"request_string": "/", "method": "GET"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			signer, vault := newBatching(t)
			_, err := signer.Sign(t.Context(), client.Call{Parameters: parameters})
			require.EqualError(t, err, "apisig/sign/avanan/us/batch takes request_string, and no other parameter")
			require.Empty(t, vault.seen())
		})
	}
}

// The path says how calls are signed, whatever its mount and its config are called.
func TestPathSaysHowCallsAreSigned(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"m/sign/avanan/us":          `PUT /v1/m/sign/avanan/us {"request_string":"/"}`,
		"/m/sign/avanan/us/":        `PUT /v1/m/sign/avanan/us {"request_string":"/"}`,
		"m/sign/avanan/batch":       `PUT /v1/m/sign/avanan/batch {"request_string":"/"}`,
		"m/sign/avanan/us/batch":    `PUT /v1/m/sign/avanan/us/batch {"request_strings":["/"]}`,
		"m/sign/custom/x/batch":     `PUT /v1/m/sign/custom/x/batch {"requests":[{"request_string":"/"}]}`,
		"m/sign/avanan/batch/batch": `PUT /v1/m/sign/avanan/batch/batch {"request_strings":["/"]}`,
		"sign/creds/pave/batch":     `GET /v1/sign/creds/pave/batch`,
		"m/sign/creds/pave/batch":   `GET /v1/m/sign/creds/pave/batch`,
		"m/other/avanan/us/batch":   `GET /v1/m/other/avanan/us/batch`,
		"sign/avanan/us/batch":      `GET /v1/sign/avanan/us/batch`,
		"sign/creds/pave/main":      `GET /v1/sign/creds/pave/main`,
		"m/creds/pave/sign":         `GET /v1/m/creds/pave/sign`,
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			vault := newVault(t, func(map[string]any) any { return map[string]any{} })
			signer := &client.Signer{Vault: vault.Client, Path: path}
			_, err := signer.Sign(t.Context(), client.Call{Parameters: map[string]any{"request_string": "/"}})
			require.Error(t, err)
			require.Equal(t, []string{want}, vault.seen())
		})
	}
}

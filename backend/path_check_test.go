package backend

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

// check is a check that succeeds.
func (m *mount) check(path string) *logical.Response {
	m.t.Helper()
	resp, status, text := m.handle(logical.UpdateOperation, "check/"+path, nil)
	require.Equal(m.t, http.StatusOK, status, text)
	return resp
}

// With an upstream that takes one of the four formats, whichever it is, one check of a new config makes creds/pave
// work, and rotating the secret keeps that.
func TestCheckFindsTheTimestampFormat(t *testing.T) {
	t.Parallel()
	order := []string{"rfc3339", "rfc3339-ms", "http-date", "unix"}
	for i, works := range order {
		t.Run(works, func(t *testing.T) {
			t.Parallel()
			m := newMount(t)
			m.vendor.Change(func(b *sandbox.Behaviour) { b.PAVETimestamps = sandbox.Timestamps(works) })
			m.write("config/pave/main", m.paveValues())
			tried := map[string]string{works: "accepted"}
			for _, before := range order[:i] {
				tried[before] = "401"
			}
			data := m.check("pave/main").Data
			delete(data, "duration_ms")
			require.Equal(t, values{
				"verified_at":      "2026-01-02T03:04:05Z",
				"status":           200,
				"clock_offset":     0,
				"timestamp_format": works,
				"formats":          tried,
			}, data)
			require.Equal(t, works, m.read("config/pave/main")["detected_timestamp_format"])
			require.Equal(t, http.StatusOK, m.callPave())

			m.vendor.Change(func(b *sandbox.Behaviour) { b.PAVEAPISecret = "rotated" })
			m.must(logical.UpdateOperation, "config/pave/main", values{"api_secret": "rotated", "base_url": m.url})
			require.Equal(t, works, m.read("config/pave/main")["detected_timestamp_format"])
			require.Equal(t, http.StatusOK, m.callPave())
			m.advance(checkInterval)
			require.Equal(t, map[string]string{works: "accepted"}, m.check("pave/main").Data["formats"],
				"what worked is tried first")
		})
	}
}

// callPave calls PAVE with headers that were read, and returns the status.
func (m *mount) callPave() int {
	m.t.Helper()
	req, err := http.NewRequestWithContext(m.t.Context(), http.MethodGet, m.url+"/v1/sessions", http.NoBody)
	require.NoError(m.t, err)
	for name, value := range m.read("creds/pave/main")["headers"].(map[string]string) {
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(m.t, err)
	require.NoError(m.t, resp.Body.Close())
	return resp.StatusCode
}

// A verified write of a PAVE config does the same before it stores, and stores nothing if no format works.
func TestVerifiedPaveWriteFindsTheTimestampFormat(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.vendor.Change(func(b *sandbox.Behaviour) { b.PAVETimestamps = sandbox.HTTPDate })
	m.write("config/pave/main", with(m.paveValues(), values{"verify": true}))
	require.Equal(t, "http-date", m.read("config/pave/main")["detected_timestamp_format"])
	before := m.stored()
	wrong := values{"api_secret": "canary-wrong", "base_url": m.url, "verify": true}
	text := m.refused(logical.UpdateOperation, "config/pave/main", wrong)
	require.Contains(t, text, "config/pave/main was not stored: ")
	require.Contains(t, text, "it accepts no timestamp_format (http-date: 401, rfc3339: 401, rfc3339-ms: 401, unix: 401)")
	require.Contains(t, text, "check username, api_key, api_secret, and this server's clock")
	require.NotContains(t, text, "canary")
	require.Equal(t, before, m.stored())
	m.must(logical.UpdateOperation, "config/pave/main", values{"api_secret": "untried", "base_url": m.url})
}

// What leads on to the next format, what ends a check, and which error it is. None of them stores anything.
func TestCheckOfPaveThatFails(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		statuses []int // of the answers, in turn; the last one from there on
		format   string
		want     int
		text     string
		calls    int
	}{
		"all refused": {
			statuses: []int{401},
			format:   "auto",
			want:     400,
			text:     "it accepts no timestamp_format (rfc3339: 401, rfc3339-ms: 401, http-date: 401, unix: 401)",
			calls:    4,
		},
		"refused differently": {
			statuses: []int{400, 401, 403, 401},
			format:   "auto",
			want:     400,
			text:     "(rfc3339: 400, rfc3339-ms: 401, http-date: 403, unix: 401)",
			calls:    4,
		},
		"one is a 500": {
			statuses: []int{401, 500, 401, 401},
			format:   "auto",
			want:     502,
			text:     "(rfc3339: 401, rfc3339-ms: 500, http-date: 401, unix: 401)",
			calls:    4,
		},
		"404 and 422": {
			statuses: []int{404, 422, 401, 401},
			format:   "auto",
			want:     502,
			text:     "(rfc3339: 404, rfc3339-ms: 422, http-date: 401, unix: 401)",
			calls:    4,
		},
		"the last works":   {[]int{400, 422, 500, 204}, "auto", 200, "", 4},
		"limited":          {[]int{401, 429}, "auto", 429, "too many requests", 2},
		"redirect":         {[]int{401, 302}, "auto", 502, "redirect", 2},
		"503":              {[]int{503}, "auto", 502, "status 503: server error", 1},
		"410":              {[]int{410}, "auto", 502, "status 410", 1},
		"a fixed format":   {[]int{401}, "unix", 400, "timestamp_format=auto tries the others", 1},
		"fixed, and a 500": {[]int{500}, "unix", 502, "(unix: 500)", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var calls atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				call := int(calls.Add(1))
				if r.Method != http.MethodGet || r.URL.Path != "/v1/callbacks" {
					t.Error(r.Method, r.URL)
				}
				w.WriteHeader(test.statuses[min(call, len(test.statuses))-1])
				if test.statuses[min(call, len(test.statuses))-1] != http.StatusNoContent {
					_, _ = io.WriteString(w, vendorText)
				}
			}))
			t.Cleanup(server.Close)
			m := newMount(t)
			m.write("config/pave/main", with(m.paveValues(), values{
				"base_url":         server.URL,
				"timestamp_format": test.format,
				"api_secret":       "canary-secret",
			}))
			before := m.stored()
			resp, status, text := m.handle(logical.UpdateOperation, "check/pave/main", nil)
			require.Equal(t, test.want, status, text)
			require.Equal(t, int64(test.calls), calls.Load())
			if test.want == http.StatusOK {
				require.Equal(t, "unix", resp.Data["timestamp_format"])
				return
			}
			require.Contains(t, text, test.text)
			require.Contains(t, text, "config/pave/main: ")
			require.NotContains(t, text, "canary")
			require.Equal(t, before, m.stored())
			require.Equal(t, strings.TrimPrefix(text, "config/pave/main: "), m.read("status/pave/main")["last_failure"])
		})
	}
}

// The answer of the call contains the account's webhook secrets. Nothing of it gets out, and its end is not waited for.
func TestCheckOfPaveDropsTheAnswerUnread(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/pave/main", m.paveValues())
	resp := m.check("pave/main")
	m.Cleanup(t.Context())
	require.NotContains(t, fmt.Sprint(resp.Data, resp.Warnings)+m.logged(), sandbox.PAVEWebhookToken)

	endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(endless.Close)
	m = newMount(t)
	m.write("config/pave/main", with(m.paveValues(), values{"base_url": endless.URL, "request_timeout": 30}))
	before := time.Now()
	m.check("pave/main")
	require.Less(t, time.Since(before), 20*time.Second)
}

// A check gets a new token, which replaces the shared one, and keeps the date format that worked.
func TestCheckOfAvananReplacesTheToken(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/avanan/us", with(m.avananValues(), values{"verify": false}))
	old := m.read("creds/avanan/us")["token"]
	require.Empty(t, m.read("config/avanan/us")["detected_date_format"])
	written := m.read("config/avanan/us")["secret_written_at"]
	m.advance(time.Minute)
	data := m.check("avanan/us").Data
	delete(data, "duration_ms")
	require.Equal(t, values{
		"verified_at":  "2026-01-02T03:05:05Z",
		"status":       200,
		"clock_offset": 0,
		"date_format":  "zoneless",
		"expires_at":   "2026-01-02T04:05:05Z",
	}, data)
	require.NotEqual(t, old, m.read("creds/avanan/us")["token"])
	require.Equal(t, 2, m.vendor.Handshakes())
	require.Equal(t, "zoneless", m.read("config/avanan/us")["detected_date_format"])
	require.Equal(t, written, m.read("config/avanan/us")["secret_written_at"])
}

// A check that fails is the error of a reader, changes nothing stored, and leaves the living token.
func TestCheckDuringAnOutage(t *testing.T) {
	t.Parallel()
	for fault, want := range map[sandbox.Fault]int{
		sandbox.Refuse: http.StatusBadRequest,
		sandbox.Limit:  http.StatusTooManyRequests,
		sandbox.Break:  http.StatusBadGateway,
	} {
		t.Run(string(fault), func(t *testing.T) {
			t.Parallel()
			m := newMount(t)
			m.write("config/avanan/us", m.avananValues())
			token, before := m.read("creds/avanan/us")["token"], m.stored()
			m.fault(fault)
			_, status, text := m.handle(logical.UpdateOperation, "check/avanan/us", nil)
			require.Equal(t, want, status, text)
			require.Contains(t, text, "config/avanan/us: ")
			require.Equal(t, token, m.read("creds/avanan/us")["token"])
			require.Equal(t, before, m.stored())
		})
	}
}

// The hold-off of readers does not delay a check, and a check that succeeds ends it.
func TestCheckDuringAHoldOff(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/avanan/us", with(m.avananValues(), values{"verify": false}))
	m.fault(sandbox.Break)
	for range 6 {
		m.failing(logical.ReadOperation, "creds/avanan/us", nil)
	}
	require.Contains(t, m.failing(logical.ReadOperation, "creds/avanan/us", nil), "waiting")
	require.Equal(t, "2026-01-02T03:04:06Z", m.read("status/avanan/us")["held_off_until"])
	m.fault(sandbox.None)
	m.check("avanan/us")
	m.read("creds/avanan/us")
	status := m.read("status/avanan/us")
	require.NotContains(t, status, "held_off_until")
	require.Equal(t, 0, status["failures_in_a_row"])
}

// failing is handle for what has to fail for no fault of the caller's.
func (m *mount) failing(operation logical.Operation, path string, data values) string {
	m.t.Helper()
	_, status, text := m.handle(operation, path, data)
	require.GreaterOrEqual(m.t, status, http.StatusInternalServerError, text)
	return text
}

// What a check found belongs to the config that it tried. If that was changed or deleted meanwhile, it stores nothing
// and says so.
func TestCheckOfAConfigThatChanges(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*mount){
		"changed":      func(m *mount) { m.elsewhere("config/avanan/us", "min_ttl", 7) },
		"changed here": func(m *mount) { m.patch("config/avanan/us", values{"min_ttl": 7}) },
		"deleted":      func(m *mount) { m.must(logical.DeleteOperation, "config/avanan/us", nil) },
		"other account": func(m *mount) {
			m.patch("config/avanan/us", values{"secret_key": "other", "base_url": m.url, "verify": false})
		},
	} {
		for format, verified := range map[string]bool{"none": true, "zoneless": false} {
			t.Run(name+", learns "+format, func(t *testing.T) {
				t.Parallel()
				m := newMount(t)
				m.write("config/avanan/us", with(m.avananValues(), values{"verify": verified}))
				amid := func() { change(m) } // after the check's first read of storage, and before the one that compares
				m.storage.afterGet.Store(&amid)
				_, status, text := m.handle(logical.UpdateOperation, "check/avanan/us", nil)
				require.Equal(t, http.StatusConflict, status, text)
				require.NotContains(t, m.stored()["config/avanan/us"], `"detected_date_format":"`+format)
			})
		}
	}
}

// A config is checked with success once in ten seconds; a failed check may be repeated at once.
func TestSuccessfulChecksAreLimited(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/avanan/us", m.avananValues())
	m.write("config/avanan/eu", m.avananValues())
	m.fault(sandbox.Refuse)
	for range 3 {
		require.Contains(t, m.refused(logical.UpdateOperation, "check/avanan/us", nil), "rejects the credentials")
	}
	m.fault(sandbox.None)
	m.check("avanan/us")
	m.advance(checkInterval - 1)
	handshakes := m.vendor.Handshakes()
	_, status, text := m.handle(logical.UpdateOperation, "check/avanan/us", nil)
	require.Equal(t, http.StatusTooManyRequests, status)
	require.Contains(t, text, "was checked successfully 9 seconds ago; try again in 1 seconds")
	require.Equal(t, handshakes, m.vendor.Handshakes())
	m.check("avanan/eu")
	m.advance(1)
	m.check("avanan/us")
	other := with(m.avananValues(), values{"date_format": "zoneless", "verify": false})
	m.must(logical.UpdateOperation, "config/avanan/us", other)
	m.check("avanan/us") // another account
}

// Of many concurrent checks of a config one is done, and the others are told to wait.
func TestConcurrentChecksAreOne(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/avanan/us", with(m.avananValues(), values{"verify": false}))
	var checks sync.WaitGroup
	var done, limited atomic.Int64
	for range 20 {
		checks.Go(func() {
			resp, err := m.HandleRequest(t.Context(), m.request(logical.UpdateOperation, "check/avanan/us", nil))
			switch coded, is := errors.AsType[logical.HTTPCodedError](err); {
			case err == nil && !resp.IsError():
				done.Add(1)
			case is && coded.Code() == http.StatusTooManyRequests:
				limited.Add(1)
			}
		})
	}
	checks.Wait()
	require.Equal(t, int64(1), done.Load())
	require.Equal(t, int64(19), limited.Load())
	require.Equal(t, 1, m.vendor.Handshakes())
}

// A check waits for the exchange under way, so that the vendor is not asked twice at once.
func TestCheckWaitsForTheExchangeUnderWay(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/avanan/us", with(m.avananValues(), values{"verify": false}))
	m.vendor.Change(func(b *sandbox.Behaviour) { b.Latency = time.Hour })
	reading, hangUp := context.WithCancel(t.Context())
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = m.HandleRequest(reading, m.request(logical.ReadOperation, "creds/avanan/us", nil))
	}()
	require.Eventually(t, func() bool {
		current, found := m.store("avanan").entries.get("us")
		return found && current.stats.since.Equal(began) && m.flying(current)
	}, 10*time.Second, time.Millisecond)
	waiting, giveUp := context.WithCancel(t.Context())
	giveUp()
	_, err := m.HandleRequest(waiting, m.request(logical.UpdateOperation, "check/avanan/us", nil))
	require.ErrorIs(t, err, context.Canceled)
	hangUp()
	<-read
}

// flying reports whether an exchange is under way for readers.
func (m *mount) flying(e *entry) bool {
	ctx, cancel := context.WithCancel(m.t.Context())
	cancel()
	return e.token.Wait(ctx) != nil
}

// With a vendor whose clock is 90 s ahead, check and status say so, and so does the error when it rejects credentials.
func TestClockOffset(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.vendor.Change(func(b *sandbox.Behaviour) { b.ClockOffset = 90 * time.Second })
	m.write("config/pave/main", m.paveValues())
	resp, _, _ := m.handle(logical.UpdateOperation, "config/avanan/us", m.avananValues())
	require.Equal(t, []string{"this server's clock is 1m30s behind the vendor's"}, resp.Warnings, "a verified write")
	for _, path := range []string{"pave/main", "avanan/us"} {
		resp := m.check(path)
		require.InDelta(t, 90, resp.Data["clock_offset"], 2)
		require.Equal(t, []string{"this server's clock is 1m30s behind the vendor's"}, resp.Warnings)
		require.InDelta(t, 90, m.read("status/" + path)["clock_offset"], 2)
	}
	m.vendor.Change(func(b *sandbox.Behaviour) { b.ClockOffset = -250 * time.Second; b.AvananSecretKey = "other" })
	require.Contains(t, m.refused(logical.UpdateOperation, "config/avanan/us", values{"verify": true}),
		"this server's clock is 4m10s ahead of the vendor's")
	m.vendor.Change(func(b *sandbox.Behaviour) {
		b.ClockOffset = 30 * time.Second
		b.AvananSecretKey = "sandbox-avanan-secret"
	})
	m.advance(checkInterval)
	require.Empty(t, m.check("avanan/us").Warnings, "30 s are within bounds")
}

// A Date that is a year off, missing or malformed is no offset, and no alarm either.
func TestImplausibleDateIsNoClockOffset(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		date     string
		warnings []string
	}{
		"a year off": {
			date:     "Fri, 02 Jan 2027 03:04:05 GMT",
			warnings: []string{"the vendor's Date is not plausible: it is more than a day off"},
		},
		"malformed": {date: "yesterday"},
		"missing":   {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Date"] = nil
				if test.date != "" {
					w.Header()["Date"] = []string{test.date}
				}
			}))
			t.Cleanup(server.Close)
			m := newMount(t)
			m.write("config/pave/main", with(m.paveValues(), values{"base_url": server.URL}))
			resp := m.check("pave/main")
			require.NotContains(t, resp.Data, "clock_offset")
			require.Equal(t, test.warnings, resp.Warnings)
			require.NotContains(t, m.read("status/pave/main"), "clock_offset")
		})
	}
}

func TestCheckOfNothing(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	for _, config := range []string{"pave/none", "avanan/none"} {
		require.Contains(t, m.refused(logical.UpdateOperation, "check/"+config, nil),
			"there is no config at apisig/config/"+config)
	}
}

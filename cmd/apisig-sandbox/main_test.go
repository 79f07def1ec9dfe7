package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

func TestParseReadsFlags(t *testing.T) {
	t.Parallel()
	address, behaviour, err := parse(nil)
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:8400", address.String())
	require.Equal(t, sandbox.Default(), behaviour)

	address, behaviour, err = parse([]string{
		"--listen", "[::1]:0", "--avanan-date", "both", "--pave-timestamp", "rfc3339-us", "--token-life", "7s",
		"--latency", "2ms", "--limit", "--pave-username", "a", "--pave-api-key", "b", "--pave-api-secret", "c", "--avanan-app-id", "d", "--avanan-secret-key", "e",
		"--infinity-client-id", "f", "--infinity-access-key", "g", "--custom-secret", "h", "--infinity-token-life", "8s", "--clock-offset", "-9s",
	})
	require.NoError(t, err)
	require.Equal(t, "[::1]:0", address.String())
	require.Equal(t, sandbox.Behaviour{
		PAVEUsername: "a", PAVEAPIKey: "b", PAVEAPISecret: "c", AvananAppID: "d", AvananSecretKey: "e",
		PAVETimestamps: sandbox.RFC3339Micros, SignatureLife: 5 * time.Minute, AvananDates: sandbox.Both,
		InfinityClientID: "f", InfinityAccessKey: "g", InfinityTokenLife: 8 * time.Second, CustomSecret: "h", RetryAfter: time.Second, ClockOffset: -9 * time.Second,
		TokenLife: 7 * time.Second, Latency: 2 * time.Millisecond, Fault: sandbox.Limit,
	}, behaviour)
	for flag, fault := range map[string]sandbox.Fault{"--refuse": sandbox.Refuse, "--break": sandbox.Break} {
		_, behaviour, err = parse([]string{flag})
		require.NoError(t, err)
		require.Equal(t, fault, behaviour.Fault)
	}
}

func TestPaveTimestampFlagTakesEachForm(t *testing.T) {
	t.Parallel()
	for value, form := range map[string]sandbox.Timestamps{
		"rfc3339": sandbox.RFC3339, "rfc3339-ms": sandbox.RFC3339Millis, "rfc3339-us": sandbox.RFC3339Micros,
		"http-date": sandbox.HTTPDate, "unix": sandbox.UnixSeconds, "all": sandbox.AllTimestamps,
	} {
		_, behaviour, err := parse([]string{"-pave-timestamp", value})
		require.NoError(t, err)
		require.Equal(t, form, behaviour.PAVETimestamps)
	}
}

func TestListenTakesOnlyLoopback(t *testing.T) {
	t.Parallel()
	for _, listen := range []string{":8400", "0.0.0.0:8400", "[::]:8400", "192.0.2.1:8400", "localhost:8400", "127.0.0.1", ""} {
		_, _, err := parse([]string{"-listen", listen})
		require.ErrorContains(t, err, "-listen takes a loopback address", listen)
	}
}

func TestParseRefusesUnknownForms(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"iso", ""} {
		_, _, err := parse([]string{"-avanan-date", value})
		require.ErrorContains(t, err, "-avanan-date is zoneless, zulu or both")
		_, _, err = parse([]string{"-pave-timestamp", value})
		require.ErrorContains(t, err, "-pave-timestamp is rfc3339, rfc3339-ms, rfc3339-us, http-date, unix or all")
	}
}

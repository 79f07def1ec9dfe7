package load

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
)

// TestProxyBench compares a call through apisig-proxy with one through a reverse proxy that does not sign, each in a
// process of its own. make bench runs it in full, by BENCH=full. It fails if a request does, never for a figure.
func TestProxyBench(t *testing.T) {
	t.Parallel()
	size := sizeOfBench()
	server := harness.StartQuiet(t)
	m := server.MountApisig(t)
	m.Write("config/pave/main", m.PaveValues())
	m.Write("config/avanan/us", m.AvananValues())
	m.WriteBodies()
	// runLoad calls below /v1/.
	p := harness.NewProxy(t, m, `
listen: 127.0.0.1:8410
vault: {token_file: /run/apisig-agent/token}
routes:
  /: {creds: apisig/creds/pave/main, allow: [GET /v1/sessions]}
  /v1/avanan: {sign: apisig/sign/avanan/us, allow: ["GET /v1.0/event/{id}"]}
  /v1/together: {sign: apisig/sign/avanan/us/batch, allow: ["GET /v1.0/event/{id}"]}
  /v1/orders:
    sign: apisig/sign/custom/signs/batch
    send: [method, request_string, body]
    allow: [POST /custom/v1/orders]
metrics: 127.0.0.1:9410
`)
	p.SetToken(t, server.Client.Token())
	p.Start(t)
	through := &harness.Server{Address: p.URL, Client: server.Client}
	barePave := startBare(t, m, "", m.Read("creds/pave/main").Data["headers"])
	bareAvanan := startBare(t, m, "/v1/avanan", nil)
	session := request{method: http.MethodGet, path: "sessions"}
	event := request{method: http.MethodGet, path: "avanan/v1.0/event/1"}
	together := request{method: http.MethodGet, path: "together/v1.0/event/1"}
	sign := request{method: http.MethodPut, path: "apisig/sign/avanan/us", body: `{"request_string":"/v1.0/event/1"}`}

	bareCustom := startBare(t, m, "/v1/orders", nil)
	order := request{
		method: http.MethodPost, path: "orders/custom/v1/orders", body: `{"items":"` + strings.Repeat("x", 4<<10-12) + `"}`,
	}
	signOrder := request{method: http.MethodPut, path: "apisig/sign/custom/signs", body: parametersOf(order)}

	measure := func(server *harness.Server, r request) float64 {
		got, err := runLoad(server, 16, func(int, int) request { return r }, until(size.slice))
		require.NoError(t, err)
		return p50(got)
	}
	var bares, pave, alone, avanan, declared []float64
	for round := range size.rounds + 1 {
		bare, proxied := measure(barePave, session), measure(through, session)
		parts := measureSigned(m, bareAvanan, event, size) + measure(server, sign)
		proxiedAlone, proxiedTogether := measure(through, event), measure(through, together)
		orderParts := measure(bareCustom, signedOrder(m, order)) + measure(server, signOrder)
		proxiedOrder := measure(through, order)
		if round > 0 { // the first warms up
			bares, pave = append(bares, bare), append(pave, proxied/bare)
			alone, avanan = append(alone, proxiedAlone/parts), append(avanan, proxiedTogether/parts)
			declared = append(declared, proxiedOrder/orderParts)
		}
	}
	fmt.Printf("\napisig-proxy, 16 connections, p50, medians of ratios within %d rounds\n", size.rounds)
	fmt.Printf("a reverse proxy that does not sign, with a PAVE call: %.2f ms\n", median(bares))
	fmt.Printf("PAVE, of that (goal: at most 1.10): %.2f\n", median(pave))
	fmt.Printf("Avanan, signed together, of the same with an Avanan call and one sign/avanan (goal: at most 1.15): %.2f\n",
		median(avanan))
	fmt.Printf("Avanan, each call signed by itself, of the same: %.2f\n", median(alone))
	fmt.Printf("a declared API with a body of 4 KiB, signed together, of the same with its call and one sign/custom "+
		"(goal: at most 1.20): %.2f\n", median(declared))

	processes := harness.ProcessesOf(p.Binary)
	if len(processes) == 0 {
		fmt.Println("the proxy's memory cannot be measured: there is no /proc")
		return
	}
	mixed := func(_, sent int) request { return []request{session, event}[sent%2] }
	var memory []int
	for range size.rounds {
		_, err := runLoad(through, size.crowd, mixed, until(size.slice))
		require.NoError(t, err)
		memory = append(memory, memoryKiB(t, processes[0], resident)>>10)
	}
	fmt.Printf("resident memory after each round with %d connections: %d MiB\n", size.crowd, memory)
	free := measure(through, session)
	before := memoryKiB(t, processes[0], resident) >> 10
	end := holdBodies(t, strings.TrimPrefix(p.URL, "http://"), size.crowd)
	measure(through, session) // while the proxy reads them
	held := memoryKiB(t, processes[0], resident) >> 10
	fmt.Printf("with %d clients that hold back the end of 64 KiB, more memory (goal: at most 128 MiB): %d MiB\n",
		size.crowd, held-before)
	fmt.Printf("PAVE meanwhile, of that without them: %.2f\n", measure(through, session)/free)
	end()
}

// parametersOf are those of a call that the proxy has signed.
func parametersOf(r request) string {
	encoded, _ := json.Marshal(values{
		"method": r.method, "request_string": strings.TrimPrefix(r.path, "orders"), "body": r.body,
	})
	return string(encoded)
}

// signedOrder is a call to the declared API with its signature, which is good for some minutes.
func signedOrder(m *harness.Mount, r request) request {
	m.T.Helper()
	var parameters values
	require.NoError(m.T, json.Unmarshal([]byte(parametersOf(r)), &parameters))
	secret, err := m.Client.Logical().WriteWithContext(m.T.Context(), "apisig/sign/custom/signs", parameters)
	require.NoError(m.T, err)
	r.headers = map[string]string{}
	for name, value := range secret.Data["headers"].(values) {
		r.headers[name] = value.(string)
	}
	return r
}

// holdBodies makes many calls of which each holds back the end of its body. What it returns ends them.
func holdBodies(t *testing.T, address string, clients int) (end func()) {
	t.Helper()
	const length = 64 << 10
	const format = "POST /v1/orders/custom/v1/orders HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n"
	head := fmt.Sprintf(format, address, length)
	body := bytes.Repeat([]byte("x"), length-1)
	var held []net.Conn
	for range clients {
		connection, err := net.Dial("tcp", address)
		require.NoError(t, err)
		t.Cleanup(func() { _ = connection.Close() })
		held = append(held, connection)
		for _, part := range [][]byte{[]byte(head), body} {
			_, err = connection.Write(part)
			require.NoError(t, err)
		}
	}
	return func() {
		for _, connection := range held {
			_ = connection.Close()
		}
	}
}

// startBare starts a reverse proxy that takes a prefix off paths and adds headers.
func startBare(t *testing.T, m *harness.Mount, prefix string, headers any) *harness.Server {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "bareproxy")
	harness.Run(t, harness.GoBuild(binary, "./e2e/load/bareproxy"))
	address, err := harness.FreeAddress()
	require.NoError(t, err)
	encoded, err := json.Marshal(headers)
	require.NoError(t, err)
	bare := harness.Command(binary, address, m.URL, prefix)
	bare.Stdin = bytes.NewReader(encoded)
	harness.Background(t, bare, filepath.Join(t.TempDir(), "bareproxy.log"))
	harness.Eventually(t, func() bool {
		connection, err := net.Dial("tcp", address)
		return err == nil && connection.Close() == nil
	}, "the reverse proxy listens")
	return &harness.Server{Address: "http://" + address, Client: m.Client}
}

// measureSigned measures calls to Avanan that the client has signed before, as each signature can be used once.
func measureSigned(m *harness.Mount, bare *harness.Server, r request, size benchSize) float64 {
	m.T.Helper()
	const batch = 1000
	requestStrings := make([]string, batch)
	for i := range requestStrings {
		requestStrings[i] = "/v1.0/event/1"
	}
	const path = "apisig/sign/avanan/us/batch"
	var signed []map[string]string
	for range size.signed / batch {
		body := values{"request_strings": requestStrings}
		secret, err := m.Client.Logical().WriteWithContext(m.T.Context(), path, body)
		require.NoError(m.T, err)
		for _, result := range secret.Data["results"].([]any) {
			headers := map[string]string{}
			for name, value := range result.(values)["headers"].(values) {
				headers[name] = value.(string)
			}
			signed = append(signed, headers)
		}
	}
	inTime, each := until(size.slice), len(signed)/16
	got, err := runLoad(bare, 16, func(connection, sent int) request {
		r := r
		r.headers = signed[connection*each+sent]
		return r
	}, func(sent int) bool { return sent < each && inTime(sent) })
	require.NoError(m.T, err)
	return p50(got)
}

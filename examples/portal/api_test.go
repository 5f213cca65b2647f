package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

// api calls the interface as the demonstration's partner, and holds every answer against the document.
type api struct {
	*site
	token    string
	document map[string]any
	compiler *jsonschema.Compiler
	seen     map[string]bool
}

func newAPI(t *testing.T, s *site) *api {
	a := &api{site: s, token: demoToken, seen: map[string]bool{}, compiler: jsonschema.NewCompiler()}
	require.NoError(t, json.Unmarshal(openAPI, &a.document))
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(openAPI))
	require.NoError(t, err)
	a.compiler.DefaultDraft(jsonschema.Draft2020)
	a.compiler.AssertFormat()
	require.NoError(t, a.compiler.AddResource("openapi.json", doc))
	return a
}

type answer struct {
	status int
	body   map[string]any
	list   []any
	text   string
	header http.Header
}

// call asks, and checks that the document knows the route, the status, the kind and the shape of the answer.
func (a *api) call(method, path, key string, body any) answer {
	a.t.Helper()
	var data []byte
	if body != nil {
		data = must(json.Marshal(body))
	}
	r, err := http.NewRequestWithContext(a.t.Context(), method, a.url+path, bytes.NewReader(data))
	require.NoError(a.t, err)
	if a.token != "" {
		r.Header.Set("Authorization", "Bearer "+a.token)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	b := a.browser().do(r)
	got := answer{status: b.status, text: b.page, header: b.header}
	var value any
	require.NoError(a.t, json.Unmarshal([]byte(b.page), &value), b.page)
	got.body, _ = value.(map[string]any)
	got.list, _ = value.([]any)

	route, _, _ := strings.Cut(path, "?")
	for name := range a.document["paths"].(map[string]any) {
		if regexp.MustCompile("^"+regexp.MustCompile(`\{[a-z]+\}`).ReplaceAllString(name, "[^/]+")+"$").MatchString(route) && (strings.Contains(name, "{") || name == route) {
			route = name
			break
		}
	}
	operation := dig(a.document, "paths", route, strings.ToLower(method))
	require.NotNil(a.t, operation, "%s %s is not in the document", method, route)
	a.seen[method+" "+route] = true
	at := []string{"paths", route, strings.ToLower(method), "responses", fmt.Sprint(got.status)}
	response := dig(a.document, at...)
	require.NotNil(a.t, response, "%s %s: %d is not in the document: %s", method, route, got.status, b.page)
	if ref, ok := response.(map[string]any)["$ref"].(string); ok {
		at = strings.Split(strings.TrimPrefix(ref, "#/"), "/")
	}
	kind := b.header.Get("Content-Type")
	at = append(at, "content", kind, "schema")
	require.NotNil(a.t, dig(a.document, at...), "%s %s: %s is not in the document", method, route, kind)
	pointer := ""
	for _, part := range at {
		pointer += "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(part)
	}
	schema, err := a.compiler.Compile("openapi.json#" + strings.NewReplacer("{", "%7B", "}", "%7D").Replace(pointer))
	require.NoError(a.t, err)
	parsed, err := jsonschema.UnmarshalJSON(strings.NewReader(b.page))
	require.NoError(a.t, err)
	require.NoError(a.t, schema.Validate(parsed), b.page)
	return got
}

func dig(v any, path ...string) any {
	for _, p := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[p]
	}
	return v
}

// The document is that of the handlers: each of its operations is served and each that is served is in it; every
// answer, right or wrong, has the documented status and shape.
func TestAPI(t *testing.T) {
	s := newSite(t)
	a := newAPI(t, s)
	a.call("GET", "/api/v1/openapi.json", "", nil)

	first := a.call("GET", "/api/v1/waves?limit=1", "", nil)
	require.Len(t, first.body["items"], 1)
	second := a.call("GET", "/api/v1/waves?limit=1&cursor="+first.body["next"].(string), "", nil)
	require.EqualValues(t, 1, second.body["items"].([]any)[0].(map[string]any)["number"])
	require.NotContains(t, second.body, "next")
	require.Equal(t, 422, a.call("GET", "/api/v1/waves?limit=0", "", nil).status)
	require.Equal(t, 422, a.call("GET", "/api/v1/waves?cursor=!!", "", nil).status)
	for _, list := range []string{"applications", "dci-enrolment"} { // "!!", and what is a cursor but not one of these lists
		require.Equal(t, 422, a.call("GET", "/api/v1/waves/1/"+list+"?cursor=!!", "", nil).status, list)
		require.Equal(t, 422, a.call("GET", "/api/v1/waves/1/"+list+"?cursor=bm9ib2R5", "", nil).status, list)
	}
	a.call("GET", "/api/v1/waves/1", "", nil)
	require.Equal(t, 404, a.call("GET", "/api/v1/waves/999", "", nil).status)

	// A list is read to its end without a gap, and without one twice.
	seen, next := map[string]bool{}, ""
	for {
		page := a.call("GET", "/api/v1/waves/1/applications?limit=7&cursor="+next, "", nil)
		for _, item := range page.body["items"].([]any) {
			id := item.(map[string]any)["applicant"].(string)
			require.False(t, seen[id])
			seen[id] = true
		}
		if page.body["next"] == nil {
			break
		}
		next = page.body["next"].(string)
	}
	require.Len(t, seen, 120)

	// Somebody registers by way of a partner, and joins. The same request has the same answer.
	who := ordinary(firstFree, 2)
	body := func(m madePerson) map[string]any {
		return map[string]any{"nik": m.NIK, "kk": m.KK, "name": m.Name, "birth": m.Birth.String(), "province": m.Province, "category": m.Category}
	}
	made1 := a.call("POST", "/api/v1/registrations", "registration-1", body(who[0]))
	require.Equal(t, 201, made1.status)
	again := a.call("POST", "/api/v1/registrations", "registration-1", body(who[0]))
	require.Equal(t, made1.text, again.text)
	require.Equal(t, "true", again.header.Get("Idempotent-Replayed"))
	require.Equal(t, 422, a.call("POST", "/api/v1/registrations", "registration-1", body(who[1])).status, "the same key for something else")
	require.Equal(t, 422, a.call("POST", "/api/v1/registrations", "", body(who[1])).status, "no key")
	twice := a.call("POST", "/api/v1/registrations", "registration-2", body(who[0]))
	wrong := body(who[1])
	wrong["kk"] = who[0].KK
	unknown := a.call("POST", "/api/v1/registrations", "registration-3", wrong)
	require.Equal(t, 409, twice.status)
	require.Equal(t, twice.text, unknown.text, "registered before and unknown have one answer")
	bad := body(who[1])
	bad["nik"] = "1"
	refused := a.call("POST", "/api/v1/registrations", "registration-4", bad)
	require.Equal(t, "nik", refused.body["field"])
	bad["extra"] = true
	require.Equal(t, 422, a.call("POST", "/api/v1/registrations", "registration-5", bad).status)

	id := made1.body["applicant"].(string)
	joined := a.call("POST", "/api/v1/waves/2/applications", "join-000001", map[string]any{"applicant": id})
	require.Equal(t, 201, joined.status)
	require.Equal(t, 409, a.call("POST", "/api/v1/waves/2/applications", "join-000002", map[string]any{"applicant": id}).status)
	require.Equal(t, 409, a.call("POST", "/api/v1/waves/1/applications", "join-000003", map[string]any{"applicant": id}).status)
	require.Equal(t, 404, a.call("POST", "/api/v1/waves/99/applications", "join-000004", map[string]any{"applicant": id}).status)
	a.call("GET", "/api/v1/waves/2/applications/"+id, "", nil)
	require.Equal(t, 404, a.call("GET", "/api/v1/waves/1/applications/"+id, "", nil).status)

	// A partner reports a purchase and a finished course; what is not possible is a problem with its reasons.
	siti, err := s.p.accounts.byID(t.Context(), "c-siti")
	require.NoError(t, err)
	events := "/api/v1/waves/1/applications/" + siti.Applicant.String() + "/events"
	require.Equal(t, 409, a.call("POST", events, "event-000001", map[string]any{"event": "certify", "amount": 100}).status)
	require.Equal(t, 409, a.call("POST", events, "event-000002", map[string]any{"event": "buy", "amount": 999_999_999_999, "party": "kelas-kode"}).status)
	require.Equal(t, "in_training", a.call("POST", events, "event-000003", map[string]any{"event": "buy", "amount": 150_000_000, "party": "kelas-kode"}).body["state"])
	require.Contains(t, a.call("POST", events, "event-000004", map[string]any{"event": "certify", "amount": 40}).text, "course-not-completed")
	require.Equal(t, 422, a.call("POST", events, "event-000005", map[string]any{"event": "drawn"}).status)

	// The feed, from the start to the end.
	n := 0
	for after := ""; ; {
		page := a.call("GET", "/api/v1/events?limit=500&after="+after, "", nil)
		if len(page.list) == 0 {
			break
		}
		n += len(page.list)
		after = page.list[len(page.list)-1].(map[string]any)["id"].(string)
	}
	require.Equal(t, strings.Count(s.journal(), "\n"), n)

	enrolled := a.call("GET", "/api/v1/waves/1/dci-enrolment?limit=500", "", nil)
	require.NotEmpty(t, dig(enrolled.body, "data", "reg_records"))
	disburse := a.call("GET", "/api/v1/batches/1/g2p-disburse", "", nil)
	require.NotEmpty(t, dig(disburse.body, "message", "disbursements"))
	require.Equal(t, 404, a.call("GET", "/api/v1/batches/9/g2p-disburse", "", nil).status)

	a.token = "nonsense"
	require.Equal(t, 401, a.call("GET", "/api/v1/events", "", nil).status)
	s.p.tokens[tokenHash("reader")] = machineToken{"reader", []string{scopeRead}}
	a.token = "reader"
	require.Equal(t, 403, a.call("GET", "/api/v1/batches/1/g2p-disburse", "", nil).status)

	for _, r := range s.p.routes() {
		if strings.HasPrefix(r.path, "/api/") {
			require.True(t, a.seen[r.method+" "+r.path], "%s %s was not asked", r.method, r.path)
		}
	}
	for path, operations := range a.document["paths"].(map[string]any) {
		for method := range operations.(map[string]any) {
			require.True(t, a.seen[strings.ToUpper(method)+" "+path], "%s %s is in the document and not served", method, path)
		}
	}
}

// Of many who send one request at once, one carries it out, and nobody hears another answer.
func TestIdempotencyAtOnce(t *testing.T) {
	s := newSite(t)
	a := newAPI(t, s)
	who := ordinary(firstFree, 1)[0]
	reg := a.call("POST", "/api/v1/registrations", "registration-1", map[string]any{"nik": who.NIK, "kk": who.KK, "name": who.Name, "birth": who.Birth.String(), "province": who.Province, "category": who.Category})
	body := string(must(json.Marshal(map[string]any{"applicant": reg.body["applicant"]})))
	var all sync.WaitGroup
	var mu sync.Mutex
	codes, texts := map[int]int{}, map[string]bool{}
	for range 16 {
		all.Go(func() {
			r, _ := http.NewRequest("POST", s.url+"/api/v1/waves/2/applications", strings.NewReader(body))
			r.Header.Set("Authorization", "Bearer "+demoToken)
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Idempotency-Key", "at-once-1")
			answer, err := http.DefaultClient.Do(r)
			if err != nil {
				return
			}
			defer answer.Body.Close()
			var b bytes.Buffer
			b.ReadFrom(answer.Body)
			mu.Lock()
			defer mu.Unlock()
			codes[answer.StatusCode]++
			if answer.StatusCode == 201 {
				texts[b.String()] = true
			}
		})
	}
	all.Wait()
	require.Len(t, texts, 1, "%v", codes)
	require.Equal(t, 16, codes[201]+codes[409], "%v", codes)
	breaches, err := s.p.engine.Verify(t.Context()) // each step is in the journal once
	require.NoError(t, err)
	require.Empty(t, breaches)
}

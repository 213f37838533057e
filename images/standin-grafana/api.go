package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
)

func (s *state) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/health", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, object{"commit": "standin", "database": "ok", "version": "12.0.0"})
	})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		fmt.Fprintf(w, "# TYPE grafana_stat_totals_datasource gauge\ngrafana_stat_totals_datasource %d\n# TYPE grafana_stat_totals_dashboard gauge\ngrafana_stat_totals_dashboard %d\n", len(s.Datasources), len(s.Dashboards))
	})
	api := func(pattern string, h func(http.ResponseWriter, *http.Request)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if !s.authentic(r) {
				message(w, http.StatusUnauthorized, "Invalid username or password")
				return
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			h(w, r)
		})
	}
	api("GET /api/org", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, object{"id": 1, "name": "Main Org."})
	})
	api("GET /api/datasources", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, s.Datasources) })
	for _, key := range []string{"name", "uid"} {
		api("GET /api/datasources/"+key+"/{value}", func(w http.ResponseWriter, r *http.Request) {
			if d := s.datasource(key, r.PathValue("value")); d != nil {
				answer(w, http.StatusOK, d)
				return
			}
			message(w, http.StatusNotFound, "Data source not found")
		})
	}
	api("POST /api/datasources", s.addDatasource)
	api("PUT /api/datasources/uid/{uid}", s.updateDatasource)
	api("DELETE /api/datasources/uid/{uid}", s.deleteDatasource)
	api("POST /api/dashboards/db", s.saveDashboard)
	api("GET /api/dashboards/uid/{uid}", func(w http.ResponseWriter, r *http.Request) {
		if d := s.Dashboards[r.PathValue("uid")]; d != nil {
			answer(w, http.StatusOK, d)
			return
		}
		message(w, http.StatusNotFound, "Dashboard not found")
	})
	mux.HandleFunc("/api/datasources/proxy/uid/{uid}/{path...}", s.proxy)
	return mux
}

func (s *state) datasource(key, value string) object {
	for _, d := range s.Datasources {
		if d[key] == value {
			return d
		}
	}
	return nil
}

// body reads a datasource from the request; nil when it has answered already.
func body(w http.ResponseWriter, r *http.Request) object {
	var in object
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<20)).Decode(&in); err != nil {
		message(w, http.StatusBadRequest, "bad request data: %v", err)
		return nil
	}
	return in
}

func (s *state) addDatasource(w http.ResponseWriter, r *http.Request) {
	in := body(w, r)
	if in == nil {
		return
	}
	for _, key := range []string{"name", "type", "access"} {
		if v, _ := in[key].(string); v == "" {
			message(w, http.StatusBadRequest, "bad request data: %s is required", key)
			return
		}
	}
	if uid, _ := in["uid"].(string); s.datasource("name", in["name"].(string)) != nil || uid != "" && s.datasource("uid", uid) != nil {
		message(w, http.StatusConflict, "data source with the same name or uid already exists")
		return
	}
	d := s.insert(in, false)
	s.saved(w, object{"datasource": d, "id": d["id"], "message": "Datasource added", "name": d["name"]})
}

// insert adds a datasource, or replaces the one of its name.
func (s *state) insert(in object, readOnly bool) object {
	d := object{"orgId": 1, "access": "proxy", "jsonData": object{}, "isDefault": false, "basicAuth": false}
	maps.Copy(d, in)
	d["readOnly"] = readOnly
	if have := s.datasource("name", d["name"].(string)); have != nil {
		if d["uid"] == nil {
			d["uid"] = have["uid"]
		}
		d["id"], d["version"] = have["id"], have["version"]
		clear(have)
		maps.Copy(have, d)
		return have
	}
	s.Next++
	d["id"], d["version"] = s.Next, 1
	if uid, _ := d["uid"].(string); uid == "" {
		d["uid"] = fmt.Sprintf("P%08X", s.Next)
	}
	s.Datasources = append(s.Datasources, d)
	return d
}

func (s *state) updateDatasource(w http.ResponseWriter, r *http.Request) {
	d, in := s.datasource("uid", r.PathValue("uid")), body(w, r)
	switch {
	case in == nil:
	case d == nil:
		message(w, http.StatusNotFound, "Data source not found")
	case d["readOnly"] == true:
		message(w, http.StatusForbidden, "Cannot update read-only data source")
	default:
		id := d["id"]
		maps.Copy(d, in)
		d["id"] = id
		s.saved(w, object{"datasource": d, "id": id, "message": "Datasource updated", "name": d["name"]})
	}
}

func (s *state) deleteDatasource(w http.ResponseWriter, r *http.Request) {
	for i, d := range s.Datasources {
		if d["uid"] == r.PathValue("uid") {
			s.Datasources = append(s.Datasources[:i], s.Datasources[i+1:]...)
			s.saved(w, object{"id": d["id"], "message": "Data source deleted"})
			return
		}
	}
	message(w, http.StatusNotFound, "Data source not found")
}

func (s *state) saveDashboard(w http.ResponseWriter, r *http.Request) {
	in := body(w, r)
	if in == nil {
		return
	}
	d, _ := in["dashboard"].(object)
	title, _ := d["title"].(string)
	if title == "" {
		message(w, http.StatusBadRequest, "Dashboard title cannot be empty")
		return
	}
	uid, _ := d["uid"].(string)
	if uid == "" {
		s.Next++
		uid = fmt.Sprintf("d%08x", s.Next)
	}
	have := s.Dashboards[uid]
	if have != nil {
		if meta, _ := have["meta"].(object); meta["provisioned"] == true {
			message(w, http.StatusBadRequest, "Cannot save provisioned dashboard")
			return
		}
		if in["overwrite"] != true {
			answer(w, http.StatusPreconditionFailed, object{"status": "version-mismatch", "message": "The dashboard has been changed by someone else"})
			return
		}
	}
	saved := s.insertDashboard(uid, d, false)
	s.saved(w, object{"id": saved["id"], "uid": uid, "url": "/d/" + uid, "status": "success", "version": saved["version"], "slug": strings.ToLower(strings.ReplaceAll(title, " ", "-"))})
}

func (s *state) insertDashboard(uid string, d object, provisioned bool) object {
	version := 1.0
	if have := s.Dashboards[uid]; have != nil {
		before, _ := have["dashboard"].(object)["version"].(float64)
		version = before + 1
	}
	s.Next++
	d["uid"], d["id"], d["version"] = uid, s.Next, version
	s.Dashboards[uid] = object{"dashboard": d, "meta": object{"slug": uid, "url": "/d/" + uid, "provisioned": provisioned, "type": "db"}}
	return d
}

func (s *state) saved(w http.ResponseWriter, v any) {
	if err := s.save(); err != nil {
		message(w, http.StatusInternalServerError, "%v", err)
		return
	}
	answer(w, http.StatusOK, v)
}

// proxy passes a request on to a datasource.
func (s *state) proxy(w http.ResponseWriter, r *http.Request) {
	if !s.authentic(r) {
		message(w, http.StatusUnauthorized, "Invalid username or password")
		return
	}
	s.mu.Lock()
	d := s.datasource("uid", r.PathValue("uid"))
	s.mu.Unlock()
	address, _ := d["url"].(string)
	target, err := url.Parse(address)
	if d == nil || err != nil {
		message(w, http.StatusNotFound, "Unable to find datasource")
		return
	}
	(&httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		p.SetURL(target)
		p.Out.URL.Path = strings.TrimSuffix(target.Path, "/") + "/" + r.PathValue("path")
		p.Out.URL.RawPath = ""
		p.Out.Header.Del("Authorization")
	}}).ServeHTTP(w, r)
}

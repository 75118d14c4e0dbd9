"""Files that use every word there is, for tests that change one of them."""

from __future__ import annotations

ARCHITECTURE = """\
name: everything
description: Every word of an architecture, once.

components:
  gateway: {kind: gateway, health_interval_ms: 500, rate_limit: {per_s: 100, burst: 20, per: tenant}}
  app:
    kind: service
    max_concurrency: 16
    queue_limit: 40
    discipline: preemptive
    shed: {kind: codel, target_ms: 20, interval_ms: 200}
    crash: {above_in_flight: 60, restart_s: 5}
  search: {kind: service, shed: {kind: adaptive, latency_ms: 80, initial: 10, maximum: 50}, processor_bound: true}
  worker: {kind: service, cpu_ms: 2, consumes: {queue: jobs, concurrency: 2}}
  db:
    kind: database
    max_concurrency: 8
    shed: {kind: deadline, max_wait_ms: 500}
    standbys: 2
    failover: {lease_ttl_s: 3, promotion_s: 2}
    replication_lag_ms: {kind: exponential, mean: 20}
  cache: {kind: cache, ttl_s: 60, ttl_resets_on: hit, max_entries: 500, start: warm, singleflight: true}
  edge: {kind: cache, hit_ratio: 0.3}
  llm:
    kind: llm
    slots: 8
    queue_limit: 20
    discipline: priority
    first_token_ms: {kind: lognormal, median: 180, sigma: 0.3}
    token_ms: {kind: gamma, mean: 12, shape: 4}
    output_tokens: {kind: hyperexponential, probabilities: [0.75, 0.25], means: [20, 100]}
    input_tokens: {kind: pareto, scale: 100, shape: 2.5}
    prefill_ms_per_token: 0.2
    batch_slowdown: 0.05
    requests_per_minute: 600
    tokens_per_minute: 90000
    prefix_cache: {hit_ratio: 0.4, share: 0.8}
  jobs: {kind: queue, visibility_timeout_s: 10, max_receives: 2, limit: 1000}

links:
  - {from: client, to: gateway, timeout_ms: 10000}
  - {from: gateway, to: app, timeout_ms: 8000, balance: power_of_two, ejection: {failures: 5, for_s: 10}}
  - {from: app, to: db, timeout_ms: 1500, pool: 6, pool_timeout_ms: 1000, on_timeout: abandon}
  - {from: app, to: cache, timeout_ms: 250, balance: hash}
  - {from: app, to: edge, timeout_ms: 250}
  - {from: app, to: search, timeout_ms: 300, hedge: {after_ms: 50}, propagates_deadline: true}
  - from: app
    to: llm
    timeout_ms: 2000
    deadline_ms: 3500
    retries: {max: 2, jitter: decorrelated, max_backoff_ms: 900, on: [timeout, rejected], budget: {ratio: 0.2}}
    breaker: {ratio: 0.5, calls: 10, open_ms: 1000, probes: 2}
  - {from: worker, to: llm, timeout_ms: 9000, retries: {max: 1}, breaker: {failures: 5, open_ms: 1000}}
  - {from: worker, to: db, timeout_ms: 500}

flows:
  chat:
    request: {method: POST, path: /v1/chat, json: {message: "{prompt}"}}
    priority: 1
    steps:
      - call: gateway
        steps:
          - call: app
            service_ms: {kind: weibull, scale: 4, shape: 1.5}
            link_ms: 0.5
            steps:
              - {call: edge, op: look}
              - parallel:
                  - [{call: search}]
                  - [{call: search, op: again}]
                  - [{call: db, op: find, reads: true}]
                join: 2
              - choose:
                  - probability: 0.7
                    steps:
                      - call: cache
                        op: get
                        on:
                          miss: [{call: llm, streams: true}, {call: cache, op: set, optional: true}]
                          open: []
                  - probability: 0.3
              - repeat:
                  - {call: db, op: page}
                times: {kind: uniform, low: 1, high: 3}
              - repeat:
                  - {call: cache, op: poll}
                until: [hit]
                at_most: 4
              - enqueue: jobs
                optional: true
                steps:
                  - {call: llm, op: summary}
                  - {call: db, op: save}
  import:
    priority: 9
    steps:
      - call: gateway
        op: import
"""

DEPLOYMENT = """\
name: cloud
hosts:
  one: {cores: 8}
  two: {cores: 4}
place:
  app:
    replicas: 3
    host: one
    zones: [north, south]
    autoscale:
      min: 2
      max: 10
      rule: {kind: steps, metric: queue, steps: [{above: 1, add: 1}, {above: 5, add: 3}], below: 0.2, remove: 1}
      interval_s: 10
      metrics_delay_s: 5
      cold_start_s: 20
      cooldown_up_s: 15
      cooldown_down_s: 120
  search:
    replicas: 2
    autoscale: {min: 1, max: 4, rule: {kind: target, metric: cpu, value: 0.6}}
  db: {replicas: 3, host: two, zones: [north, south, west]}
costs:
  currency: EUR
  replica_hour: {app: 0.1, db: 0.6}
  input_tokens_million: 3
  output_tokens_million: 15
  gigabyte: 0.09
"""

SCENARIO = """\
question: What happens when everything does?
architecture: everything
seed: 7
load:
  arrivals: gamma
  rate_per_s: 30
  cv: 2
  flows: {chat: 0.9, import: 0.1}
  tenants: {distinct: 20, zipf: 1}
windows: {warm_up_s: 3, before_s: 10, during_s: 20, after_s: 30}
scrape_s: 1
alerts:
  slow: {metric: latency_ms_p99, above: 900, for_s: 5}
  stuck: {metric: queue, of: app, above: 10}
  idle: {metric: tokens_per_s, of: llm, below: 1}
faults:
  - kill: db.0
  - brownout: search
    factor: 4
  - zone_outage: north
    at: after
  - random_outages: app
    mtbf_s: 10
    mttr_s: 2
  - latency: app->llm
    latency_ms: 100
objectives:
  before: {error_ratio: {max: 0.01}, latency_ms_p99_9: {max: 5000}}
  during: {goodput_per_s: {min: 10}, retry_amplification: {max: 2}, cost_per_1000: {max: 1}}
  after: {recovery_s: {max: 10}, stale_read_ratio: {max: 0.1}}
"""

// What the example prints: progress with the time left, the outcome of each client, and what the server saw.
#pragma once

#include <chrono>
#include <cstdio>
#include <string>

#include "payload.hpp"
#include "service.hpp"

namespace echo_example {

// "12 of 64 MiB, 3 s left", rewritten in place on a terminal, a line every few seconds elsewhere.
class progress {
public:
    explicit progress(std::size_t total);
    void update(std::size_t done);
    void finish();

private:
    using clock = std::chrono::steady_clock;
    std::size_t total_;
    bool terminal_;
    clock::time_point began_ = clock::now();
    clock::time_point last_ = clock::now();
    bool shown_ = false;
};

void print_link(const std::string& what);
void print_text(const outcome& text);
void print_large(const outcome& large, std::size_t size);
void print_many(std::size_t equal, std::size_t clients, const std::string& first_error, double seconds);
void print_server(const service_report& report, const state_observer& states, const tcpco::stack_counters& counters);

}  // namespace echo_example

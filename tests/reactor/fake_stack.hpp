// A stack that is none: it records what the driver does with it, and sends what a test tells it to. Not a test itself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tcpco/async/concepts.hpp"
#include "tcpco/async/environment.hpp"

namespace tcpco_test {

using namespace tcpco;

inline std::vector<std::byte> octets(const std::string& text)
{
    std::vector<std::byte> v;
    for (const char c : text) {
        v.push_back(static_cast<std::byte>(c));
    }
    return v;
}
inline std::string text_of(std::span<const std::byte> v)
{
    std::string s;
    for (const std::byte b : v) {
        s += static_cast<char>(b);
    }
    return s;
}

struct fake_stack {
    struct device_config {
        std::uint32_t mtu = 0;
        bool ethernet = false;
        bool tx_checksum_offload = false;
        bool tso4 = false;
        bool tso6 = false;
        std::uint32_t tso_max = 0;
    };
    struct arrival {
        std::vector<std::byte> octets;
        frame_info info;
        time_point at;
    };
    struct to_send {
        std::vector<std::byte> octets;
        frame_info info{};
    };

    device_config config{};
    std::vector<arrival> arrivals;
    std::vector<frame> kept;       // pins slots where `keep` is set
    std::deque<to_send> output;
    std::map<std::uint32_t, std::vector<std::byte>> held;  // by token: memory that the device still reads
    std::uint32_t next_token = 0;
    std::size_t done_count = 0;
    std::size_t written_count = 0;
    std::size_t refused_count = 0;
    bool echo = false;
    bool keep = false;
    bool advanced_before_receive = false;
    errc lost = errc::ok;
    time_point timer = time_point::never();
    std::vector<time_point> fired;
    completion* waiting = nullptr;  // told of the next arrival
    std::size_t connections = 0;

    void configure_device(const device_config& c) { config = c; }
    void receive(time_point now, frame&& f)
    {
        const auto o = f.data.octets();
        arrivals.push_back({{o.begin(), o.end()}, f.info, now});
        if (echo) {
            output.push_back({arrivals.back().octets});
        }
        if (keep) {
            kept.push_back(std::move(f));
        }
        news = true;
    }
    void advance(time_point now)
    {
        if (timer <= now) {
            timer = time_point::never();
            fired.push_back(now);
        }
    }
    time_point deadline() const noexcept { return timer; }
    bool has_output() const noexcept { return !output.empty(); }

    template <class Sink>
    std::size_t transmit(time_point, Sink& sink, std::size_t budget)
    {
        std::size_t taken = 0;
        while (taken < budget && !output.empty()) {
            const std::uint32_t token = next_token++;
            std::vector<std::byte>& memory = held[token];
            memory = std::move(output.front().octets);
            // Two pieces, so that a gather list is one; the first holds all headers.
            const std::size_t head = std::min(memory.size(), std::max<std::size_t>(64, memory.size() / 2));
            const std::span<const std::byte> pieces[] = {{memory.data(), head}, {memory.data() + head, memory.size() - head}};
            switch (sink(outgoing_frame{pieces, output.front().info, transmit_token{token}})) {
            case sink_verdict::refused:
                ++refused_count;
                output.front().octets = std::move(memory);
                held.erase(token);
                return taken;
            case sink_verdict::done:
                ++done_count;
                held.erase(token);
                break;
            case sink_verdict::held: break;
            }
            output.pop_front();
            ++taken;
        }
        return taken;
    }
    void transmitted(transmit_token token)
    {
        if (held.erase(token.index) == 1) {
            ++written_count;
        }
    }
    void dispatch(executor& e)
    {
        if (news && waiting != nullptr) {
            e.schedule(*std::exchange(waiting, nullptr));
        }
        news = false;
    }
    void device_lost(errc e) { lost = e; }
    void close_all(time_point) {}
    void abort_all(time_point) { connections = 0; }
    std::size_t connection_count() const noexcept { return connections; }

    void send(const std::string& text, frame_info info = {}) { output.push_back({octets(text), info}); }
    std::string text(std::size_t i) const { return text_of(arrivals.at(i).octets); }

    // Completes at the next arrival; what had arrived before does not count.
    class arrival_operation {
    public:
        explicit arrival_operation(fake_stack& s) noexcept : stack_{&s} {}
        bool ready() const noexcept { return false; }
        bool start(completion& c, const environment& env)
        {
            if (env.stop.stop_requested()) {
                return false;
            }
            exec_ = env.exec;
            done_ = &c;
            stack_->waiting = &c;
            return true;
        }
        void cancel() noexcept
        {
            if (std::exchange(stack_->waiting, nullptr) != nullptr) {
                exec_->schedule(*done_);
            }
        }
        void result() const noexcept {}

    private:
        fake_stack* stack_;
        completion* done_ = nullptr;
        executor* exec_ = nullptr;
    };
    arrival_operation arrival_after_now() noexcept { return arrival_operation{*this}; }

    bool news = false;
};

static_assert(network_stack<fake_stack>);

}  // namespace tcpco_test

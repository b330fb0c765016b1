// Guards behind SYN cookies inside a stack: a flood from one network while another one connects (RFC 4987 3.1, 3.6).
#include "tcpco/policy/syn_defence/guarded.hpp"

#include <string>

#include "catch.hpp"
#include "support/peer.hpp"
#include "tcpco/policy/syn_defence/prefix_rate.hpp"
#include "tcpco/policy/syn_defence/verified_sources.hpp"

using namespace tcpco_test;

namespace {

struct guarded_policies : conformance_policies {
    using syn_defence = syn::guarded<syn::guarded<syn::cookies, syn::prefix_rate<>>, syn::verified_sources<>>;
};

struct flooded : peer<guarded_policies> {
    explicit flooded(const stack_config<guarded_policies>& c) : peer<guarded_policies>{c}
    {
        sut_address = "198.18.0.1"_ip;
        check_payload = false;
        listen(16);
    }

    static stack_config<guarded_policies> config(syn_answer beyond, std::uint64_t seed = 9)
    {
        auto c = baseline<guarded_policies>();
        c.address = "198.18.0.1/15"_net;
        c.seed = seed;
        c.syn_defence.defence.guard = {.per_second = 2, .burst = 4, .beyond = beyond};
        return c;
    }

    // n forged SYNs of 198.18.9.0/24.
    void flood(int n)
    {
        for (int i = 0; i < n; ++i) {
            peer_address = ip_address{ipv4_address{0xC612'0900U + static_cast<std::uint32_t>(i % 256)}};
            send("S seq=1000 port=" + std::to_string(10'000 + flooded_++));
            forget();
        }
    }
    packet syn_of(ip_address source, int port)
    {
        peer_address = source;
        send("S seq=1000 mss=1000 port=" + std::to_string(port));
        return next();
    }
    void finish(const packet& answer, int port)
    {
        send("A seq=1001 port=" + std::to_string(port) + " ack=" + std::to_string(answer.seq() + 1));
    }
    const syn::verified_sources<>::counts& known() const { return stack.syn_defence().guard().counted(); }

private:
    int flooded_ = 0;
};

}  // namespace

TEST_CASE("A flood from one prefix gets no more records than its burst, and others connect with records",
          "[stack][RFC4987-3.6a]")
{
    flooded p{flooded::config(syn_answer::cookie)};
    p.flood(1'000);
    CHECK(p.connections().size() == 4);
    CHECK(p.stack.counters().syn_cookies_sent == 996);
    CHECK(p.stack.syn_defence().defence().guard().counted().beyond == 996);
    const packet answer = p.syn_of("198.18.200.1"_ip, 4'000);
    CHECK(answer == "SA ack=1001");
    CHECK(p.connections().size() == 5);
    p.finish(answer, 4'000);
    CHECK(p.accept());
    CHECK(p.stack.counters().syn_cookies_accepted == 0);
    // A real client of the flooding network is served all the same, by a cookie; from then on it is known.
    const packet cookie = p.syn_of("198.18.9.77"_ip, 4'001);
    CHECK(cookie == "SA ack=1001");
    CHECK(p.connections().size() == 5);
    p.finish(cookie, 4'001);
    CHECK(p.accept());
    CHECK(p.stack.counters().syn_cookies_accepted == 1);
    CHECK(p.known().verified == 1);
    CHECK(p.connections().size() == 6);
    p.syn_of("198.18.9.77"_ip, 4'002);
    CHECK(p.connections().size() == 7);
    CHECK(p.known().served == 1);
}

TEST_CASE("A prefix beyond its rate gets no answer at all where that is configured, and it is counted",
          "[stack][RFC4987-3.6a]")
{
    flooded p{flooded::config(syn_answer::limit)};
    p.flood(100);
    CHECK(p.dropped(drop_reason::syn_rate_limited) == 96);
    CHECK(p.dropped(drop_reason::syn_backlog_full) == 0);
    CHECK(p.stack.counters().syn_cookies_sent == 0);
    CHECK(p.syn_of("198.18.9.77"_ip, 4'000) == "-");
    CHECK(p.syn_of("198.18.10.77"_ip, 4'000) == "SA ack=1001");
    p.wait(500_ms);
    p.forget();
    CHECK(p.syn_of("198.18.9.77"_ip, 4'000) == "SA ack=1001");  // two a second
}

TEST_CASE("What the guards of a stack answer depends on its seed alone", "[stack]")
{
    const auto run = [](std::uint64_t seed) {
        flooded p{flooded::config(syn_answer::limit, seed)};
        std::string answers;
        for (int i = 0; i < 2'000; ++i) {
            const auto n = static_cast<std::uint32_t>(i % 500);
            p.peer_address = ip_address{ipv4_address{0xC612'0000U + (n << 8) + 2}};
            p.send("S seq=1000 port=" + std::to_string(10'000 + i));
            answers += p.forget() > 0 ? 'x' : '.';
        }
        return answers;
    };
    const std::string first = run(1);
    CHECK(first == run(1));
    CHECK(first != run(2));
}

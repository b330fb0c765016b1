// Guards behind a syn_defence: rates of prefixes, and sources known by their cookies.
#include "tcpco/policy/syn_defence/guarded.hpp"

#include <bit>
#include <cstdint>

#include "catch.hpp"
#include "tcpco/policy/syn_defence/admit_all.hpp"
#include "tcpco/policy/syn_defence/backlog.hpp"
#include "tcpco/policy/syn_defence/cookies.hpp"
#include "tcpco/policy/syn_defence/prefix_rate.hpp"
#include "tcpco/policy/syn_defence/verified_sources.hpp"

using namespace tcpco;

namespace {

constexpr time_point at(std::int64_t milliseconds) { return time_point{duration{milliseconds * 1'000'000}}; }

constexpr ip_address host(std::uint32_t n) { return ip_address{ipv4_address{0xC612'0000U + n}}; }  // 198.18.0.0/15

constexpr syn_info from(ip_address source, time_point now, std::uint32_t half_open = 0)
{
    return {.now = now, .half_open = half_open, .half_open_limit = 8, .unaccepted = 0, .backlog = 4, .source = source};
}

// The answers of a prefix_rate to n SYNs at once.
template <class Guard>
std::uint32_t accepted(Guard& g, std::uint32_t n, ip_address source, time_point now)
{
    std::uint32_t accepted = 0;
    for (std::uint32_t i = 0; i < n; ++i) {
        accepted += g.admit(from(source, now), syn_answer::accept) == syn_answer::accept ? 1U : 0U;
    }
    return accepted;
}

using rate = syn::prefix_rate<>;
using verified = syn::verified_sources<16>;

}  // namespace

TEST_CASE("A prefix may send its burst at once and then its rate, whoever of it sends", "[policy][RFC4987]")
{
    rate g{{.per_second = 10, .burst = 4}};
    g.seed(1);
    std::uint32_t served = 0;
    for (std::uint32_t i = 0; i < 100; ++i) {
        served += accepted(g, 1, host(i), at(0));  // all of 198.18.0.0/24
    }
    CHECK(served == 4);
    CHECK(accepted(g, 10, host(7), at(99)) == 0);
    CHECK(accepted(g, 10, host(7), at(100)) == 1);
    CHECK(accepted(g, 10, host(200), at(350)) == 2);
    CHECK(accepted(g, 10, host(0x100), at(350)) == 4);  // 198.18.1.0 is another
    CHECK(accepted(g, 10, host(9), at(60'000)) == 4);   // never more than the burst
    CHECK(g.counted().within == 15);
    CHECK(g.counted().beyond == 100 + 50 - 15);
}

TEST_CASE("A prefix beyond its rate gets a cookie, or silence where that is configured", "[policy][RFC4987]")
{
    rate mild{{.burst = 1}};
    rate harsh{{.burst = 1, .beyond = syn_answer::limit}};
    for (rate* g : {&mild, &harsh}) {
        CHECK(g->admit(from(host(1), at(0)), syn_answer::accept) == syn_answer::accept);
    }
    CHECK(mild.admit(from(host(1), at(0)), syn_answer::accept) == syn_answer::cookie);
    CHECK(harsh.admit(from(host(1), at(0)), syn_answer::accept) == syn_answer::limit);
    CHECK(harsh.admit(from(host(1), at(0)), syn_answer::cookie) == syn_answer::limit);
    // What the listener refuses stays refused, and takes no token.
    CHECK(mild.admit(from(host(0x100), at(0)), syn_answer::drop) == syn_answer::drop);
    CHECK(mild.admit(from(host(0x100), at(0)), syn_answer::reset) == syn_answer::reset);
    CHECK(mild.admit(from(host(0x100), at(0)), syn_answer::accept) == syn_answer::accept);
}

TEST_CASE("Prefixes of IPv6 have 64 bits", "[policy][RFC4987]")
{
    rate g{{.burst = 1}};
    CHECK(accepted(g, 1, "2001:db8::1"_ip, at(0)) == 1);
    CHECK(accepted(g, 1, "2001:db8::ffff:0:0:1"_ip, at(0)) == 0);
    CHECK(accepted(g, 1, "2001:db8:0:1::1"_ip, at(0)) == 1);
}

TEST_CASE("A prefix does not get its burst back by sending in the name of others", "[policy][RFC4987]")
{
    rate g{{.per_second = 1, .burst = 2}};
    g.seed(2);
    CHECK(accepted(g, 5, host(1), at(0)) == 2);
    std::uint32_t others = 0;
    for (std::uint32_t i = 1; i < 512; ++i) {
        others += accepted(g, 1, host(i << 8), at(0));
    }
    CHECK(others > 400);  // few of them meet others in both rows
    CHECK(accepted(g, 5, host(1), at(0)) == 0);
}

TEST_CASE("A flood of many prefixes touches few of the others, and which they are depends on the seed",
          "[policy][RFC4987]")
{
    const auto touched = [](std::uint64_t seed) {
        rate g{{.per_second = 1, .burst = 1}};
        g.seed(seed);
        for (std::uint32_t i = 0; i < 200; ++i) {
            accepted(g, 3, host(i << 8), at(0));
        }
        std::uint64_t which = 0;
        for (std::uint32_t i = 0; i < 64; ++i) {
            rate copy = g;  // each of them alone
            which |= std::uint64_t{accepted(copy, 1, host((i + 256) << 8), at(0)) == 0} << i;
        }
        return which;
    };
    CHECK(std::popcount(touched(1)) <= 5);  // (200 / 1024)^2: one in twenty-six; with one row it would be one in five
    CHECK(touched(1) == touched(1));
    const auto crowd = [](std::uint64_t seed) {
        syn::guarded<syn::admit_all, syn::prefix_rate<16>> g{{.guard = {.per_second = 1, .burst = 1}}};
        g.seed(seed);
        std::uint64_t which = 0;
        for (std::uint32_t i = 0; i < 64; ++i) {
            which |= std::uint64_t{g.admit(from(host(i << 8), at(0))) == syn_answer::accept} << i;
        }
        return which;
    };
    CHECK(crowd(1) == crowd(1));
    CHECK(crowd(1) != crowd(2));
}

TEST_CASE("The last quarter of the SYN queue is for sources that are known by a cookie", "[policy][RFC4987]")
{
    syn::guarded<syn::cookies, verified> d;
    CHECK(d.admit(from(host(1), at(0), 5)) == syn_answer::accept);
    CHECK(d.admit(from(host(1), at(0), 6)) == syn_answer::cookie);
    d.on_source_verified({at(0), host(1)});
    CHECK(d.admit(from(host(1), at(0), 6)) == syn_answer::accept);
    CHECK(d.admit(from(host(2), at(0), 6)) == syn_answer::cookie);
    CHECK(d.admit(from(host(1), at(0), 8)) == syn_answer::cookie);  // never more than the queue holds
    CHECK(d.guard().counted().verified == 1);
    CHECK(d.guard().counted().served == 1);
    CHECK(d.guard().counted().deferred == 2);
}

TEST_CASE("A known source gets a record where the rate of its prefix would mean a cookie", "[policy][RFC4987]")
{
    syn::guarded<syn::guarded<syn::cookies, rate>, verified> d{{.defence = {.guard = {.burst = 1}}}};
    CHECK(d.admit(from(host(1), at(0))) == syn_answer::accept);
    CHECK(d.admit(from(host(2), at(0))) == syn_answer::cookie);
    d.on_source_verified({at(0), host(2)});
    CHECK(d.admit(from(host(2), at(0))) == syn_answer::accept);
    CHECK(d.admit(from(host(3), at(0))) == syn_answer::cookie);
    syn_info full = from(host(2), at(0));
    full.unaccepted = full.backlog;
    CHECK(d.admit(full) == syn_answer::drop);
}

TEST_CASE("A proof is good for some records and for some time, then it is wanted anew", "[policy][RFC4987]")
{
    syn::guarded<syn::cookies, verified> d{{.guard = {.lifetime = duration{1'000'000'000}, .records = 2}}};
    d.on_source_verified({at(0), host(1)});
    CHECK(d.admit(from(host(1), at(0), 7)) == syn_answer::accept);
    CHECK(d.admit(from(host(1), at(0), 3)) == syn_answer::accept);  // no pressure: nothing is used up
    CHECK(d.admit(from(host(1), at(0), 7)) == syn_answer::accept);
    CHECK(d.admit(from(host(1), at(0), 7)) == syn_answer::cookie);
    d.on_source_verified({at(10), host(1)});
    CHECK(d.admit(from(host(1), at(1'009), 7)) == syn_answer::accept);
    CHECK(d.admit(from(host(1), at(1'010), 7)) == syn_answer::cookie);
    CHECK(d.guard().counted().evicted == 0);
}

TEST_CASE("The list of known sources is bounded: the oldest proof of a set goes, and it is counted", "[policy][RFC4987]")
{
    verified g;
    g.seed(3);
    for (std::uint32_t i = 0; i < 1'000; ++i) {
        g.on_source_verified({at(i), host(i)});
    }
    std::uint32_t known = 0;
    std::uint32_t recent = 0;
    for (std::uint32_t i = 0; i < 1'000; ++i) {
        const bool found = g.admit(from(host(i), at(1'000), 7), syn_answer::accept) == syn_answer::accept;
        known += found ? 1U : 0U;
        recent += found && i >= 960 ? 1U : 0U;
    }
    CHECK(known == 16);
    CHECK(recent == 16);
    CHECK(g.counted().evicted == 1'000 - 16);
}

TEST_CASE("A guard stands behind any defence, with what was configured for both", "[policy][RFC4987]")
{
    syn::guarded<syn::backlog, rate> d{{.defence = {.reset_when_full = true}, .guard = {.burst = 1}}};
    CHECK(d.admit(from(host(1), at(0), 8)) == syn_answer::reset);
    CHECK(d.admit(from(host(1), at(0), 0)) == syn_answer::accept);
    CHECK(d.guard().counted().within == 1);
    static_assert(syn_defence<syn::guarded<syn::admit_all, verified>>);
    static_assert(told_of_verified_sources<syn::guarded<syn::guarded<syn::admit_all, verified>, rate>>);
}

// The same seed gives the same packets, octet by octet; and what must not matter (where sequence numbers begin, where
// the clock begins) does not: the same trace, modulo that constant.
#include "simulation/cases.hpp"

#include "tcpco/policy/congestion/cubic.hpp"
#include "tcpco/policy/isn/sequential.hpp"
#include "tcpco/policy/recovery/rack_tlp.hpp"
#include "tcpco/policy/recovery_rate/prr.hpp"

using namespace tcpco_test;

namespace {

struct known_numbers : default_policies {
    using isn = tcpco::isn::sequential;
};

struct known_numbers_rack : known_numbers {
    using recovery = tcpco::recovery::rack_tlp;
    using recovery_rate = reduction::prr;
    using congestion = tcpco::congestion::cubic;
};

// What a run may start from.
struct origin {
    std::uint32_t iss_a = 5'000;
    std::uint32_t iss_b = 900'000;
    duration clock{};  // added to all times
    bool timestamps = true;
};

constexpr link_profile bad_link{.loss = 0.05,
                                .duplicate = 0.02,
                                .reorder = 0.05,
                                .delay = duration{7'000'000},
                                .jitter = duration{5'000'000},
                                .per_frame = duration{50'000}};

template <class Bundle>
std::vector<wire_frame> trace_of(std::uint64_t seed, const origin& o = {})
{
    using sim = simulation<Bundle>;
    auto ca = sim::config_a(seed);
    auto cb = sim::config_b(seed);
    if constexpr (requires { ca.isn.first; }) {
        ca.isn.first = o.iss_a;
        cb.isn.first = o.iss_b;
    }
    ca.tcp.timestamps = o.timestamps;
    sim net{ca, cb, bad_link, seed};
    net.now += o.clock;
    net.record = true;
    net.at_a.to_send = pattern(60'000, 1);
    net.at_b.to_send = pattern(30'000, 2);
    net.open();
    REQUIRE(net.complete(duration{3'600'000'000'000}) == "");
    return net.trace;
}

bool same(const wire_frame& x, const wire_frame& y, duration shift = {})
{
    return x.at + shift == y.at && x.from == y.from && x.data == y.data;
}

// The first frame that differs, for the message; npos: none.
std::size_t first_difference(const std::vector<wire_frame>& x, const std::vector<wire_frame>& y, duration shift = {})
{
    const std::size_t n = std::min(x.size(), y.size());
    for (std::size_t i = 0; i < n; ++i) {
        if (!same(x[i], y[i], shift)) {
            return i;
        }
    }
    return x.size() == y.size() ? std::string::npos : n;
}

void subtract_be32(std::byte* at, std::uint32_t n)
{
    write_be32(at, read_be32(at) - n);
}

// Takes the origin out of a frame: sequence and acknowledgement numbers, SACK edges and timestamps count from zero,
// checksums are blanked (each would differ, and each was checked by the receiver).
void normalise(wire_frame& f, const origin& o)
{
    octets& d = f.data;
    if (d.size() < 54 || read_be16(d.data() + 12) != 0x0800 || d[23] != std::byte{6}) {
        return;
    }
    const std::uint32_t own = f.from == 0 ? o.iss_a : o.iss_b;
    const std::uint32_t other = f.from == 0 ? o.iss_b : o.iss_a;
    const auto ms = static_cast<std::uint32_t>(o.clock.milliseconds());
    std::byte* tcp = d.data() + 34;
    const bool acks = (std::to_integer<unsigned>(tcp[13]) & 0x10) != 0;
    subtract_be32(tcp + 4, own);
    if (acks) {
        subtract_be32(tcp + 8, other);
    }
    write_be16(tcp + 16, 0);
    const std::size_t end = (std::to_integer<std::size_t>(tcp[12]) >> 4) * 4;
    for (std::size_t i = 20; i < end && tcp[i] != std::byte{0};) {
        const auto kind = std::to_integer<unsigned>(tcp[i]);
        if (kind == 1) {
            ++i;
            continue;
        }
        const auto length = std::to_integer<std::size_t>(tcp[i + 1]);
        for (std::size_t edge = i + 2; kind == 5 && edge < i + length; edge += 4) {
            subtract_be32(tcp + edge, other);
        }
        if (kind == 8) {
            subtract_be32(tcp + i + 2, ms);
            if (acks) {
                subtract_be32(tcp + i + 6, ms);
            }
        }
        i += length;
    }
}

std::vector<wire_frame> normalised(std::vector<wire_frame> trace, const origin& o)
{
    for (wire_frame& f : trace) {
        normalise(f, o);
        f.at = f.at - o.clock;
    }
    return trace;
}

template <class Bundle>
void check_same_modulo(const origin& x, const origin& y)
{
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        const auto first = normalised(trace_of<Bundle>(seed, x), x);
        const auto second = normalised(trace_of<Bundle>(seed, y), y);
        const std::size_t difference = first_difference(first, second);
        INFO("seed " << seed);
        if (difference < std::min(first.size(), second.size())) {
            INFO("frame " << difference << "\n" << dump_ethernet(first[difference].data) << "\n"
                          << dump_ethernet(second[difference].data));
            CHECK(difference == std::string::npos);
        }
        CHECK(difference == std::string::npos);
    }
}

}  // namespace

TEST_CASE("simulation: the same seed gives the same frames at the same times, octet by octet", "[simulation]")
{
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        const auto first = trace_of<default_policies>(seed);
        CHECK(first.size() > 70);
        CHECK(first_difference(first, trace_of<default_policies>(seed)) == std::string::npos);
    }
}

TEST_CASE("simulation: a different seed gives different frames from the first segment on", "[simulation]")
{
    const auto first = trace_of<default_policies>(1);
    const auto second = trace_of<default_policies>(2);
    REQUIRE_FALSE(first.empty());
    // Before it, only an ARP request and its answer, which hold no secret and no choice.
    CHECK(first_difference(first, second) <= 3);
}

TEST_CASE("simulation: sequence numbers that wrap at once give the same trace modulo their origin",
          "[simulation][RFC9293-3.4a]")
{
    const origin plain;
    for (const std::uint32_t iss : {0xFFFF'FFF0u, 0xFFFF'FFFFu, 0x7FFF'FFF0u, 0u}) {
        CAPTURE(iss);
        check_same_modulo<known_numbers>(plain, {.iss_a = iss, .iss_b = iss + 3});
        check_same_modulo<known_numbers_rack>(plain, {.iss_a = iss, .iss_b = iss - 77});
    }
}

TEST_CASE("simulation: a clock that begins 2^31 ms later gives the same trace modulo its timestamps", "[simulation]")
{
    const origin later{.clock = duration{(std::int64_t{1} << 31) * 1'000'000}};
    check_same_modulo<known_numbers>({}, later);
    check_same_modulo<known_numbers_rack>({}, later);
}

TEST_CASE("simulation: a clock whose millisecond timestamps wrap in mid-transfer gives the same trace",
          "[simulation][RFC7323-5.2a]")
{
    // The origin is a second before 2^32 ms, and the transfer lasts some seconds.
    const origin wraps{.clock = duration{((std::int64_t{1} << 32) - 1'300) * 1'000'000}};
    check_same_modulo<known_numbers>({}, wraps);
    check_same_modulo<known_numbers_rack>({}, wraps);
}

TEST_CASE("simulation: a clock that begins 2^40 ns later gives the same trace", "[simulation]")
{
    // No whole number of milliseconds: compared without timestamps.
    const origin plain{.timestamps = false};
    const origin later{.clock = duration{std::int64_t{1} << 40}, .timestamps = false};
    check_same_modulo<known_numbers>(plain, later);
    check_same_modulo<known_numbers_rack>(plain, later);
}

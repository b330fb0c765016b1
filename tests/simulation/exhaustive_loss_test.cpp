// RACK-TLP (RFC 8985) against every loss: each frame of a transfer of 40 segments is lost, data and ACKs, and each pair
// of frames, those sent in the repair included.
//
// No single loss may cost a timeout. Of the pairs only those in which the evidence itself is lost: the last thing that
// left before the timeout was sent for the second time (a retransmission, or the probe of section 7.3), and either it
// or the last ACK before the timeout was lost. Nothing that was sent later can then show the loss, and the RFC allows
// no second probe (section 7.3, step 1), nor one in recovery (7.2).
#include "simulation/narrow_simulation.hpp"

using namespace tcpco_test;

namespace {

using world = simulation<rack_bundle>;

constexpr link_profile path{.delay = duration{10'000'000}, .per_frame = duration{100'000}};
constexpr std::size_t segments = 40;
constexpr std::size_t whole = segments * 1'448;
constexpr std::size_t short_tail = whole - 1'348;
constexpr std::size_t none = ~std::size_t{0};

struct sent_frame {
    time_point at{};
    int from = 0;
    std::uint32_t first = 0;
    std::uint32_t last = 0;
    std::uint32_t ack = 0;
    bool again = false;  // nothing in it that was not sent before
    bool lost = false;
};

struct outcome {
    std::string failure{};
    std::vector<sent_frame> frames{};  // from the first segment of data on
    std::size_t timeouts = 0;
    time_point timeout_at{};           // the first
    std::uint64_t recoveries = 0;
    duration took{};

    std::string text() const
    {
        std::string t;
        std::size_t index = 0;
        for (const sent_frame& f : frames) {
            t += std::to_string(index++) + ": " + std::to_string(f.at.since_origin().microseconds()) + " us " +
                 (f.from == 0 ? "data " + std::to_string(f.first) + " to " + std::to_string(f.last)
                              : "ack " + std::to_string(f.ack)) +
                 (f.again ? " again" : "") + (f.lost ? " LOST" : "") + "\n";
        }
        return t;
    }
};

sent_frame parse(const octets& frame, int from)
{
    const std::byte* ip = frame.data() + 14;
    const std::byte* tcp = ip + 20;
    sent_frame f;
    f.from = from;
    f.first = read_be32(tcp + 4);
    const std::uint32_t header = std::to_integer<std::uint32_t>(tcp[12]) / 16 * 4;
    const bool fin = (std::to_integer<unsigned>(tcp[13]) & 1) != 0;
    f.last = f.first + read_be16(ip + 2) - 20 - header + (fin ? 1 : 0);
    f.ack = read_be32(tcp + 8);
    return f;
}

// Frames are counted from the first segment of data on, both directions together. The last segment has the FIN.
outcome transfer(std::size_t controller_index, std::size_t octets_to_send, std::size_t lost_first,
                 std::size_t lost_second)
{
    auto ca = world::config_a();
    ca.congestion.index = controller_index;
    world net{ca, world::config_b(), path};
    net.skip_arp();
    net.frame_limit = 400;
    net.at_a.ends = net.at_b.ends = false;
    net.open();
    outcome o;
    if (!net.run([&] { return net.id_b && net.both_in(tcp_state::established); }, duration{10'000'000'000})) {
        o.failure = "no connection";
        return o;
    }
    const std::size_t begin = net.link.count();
    std::uint32_t sent_to = 0;
    net.link.disturbs = [&](std::size_t index, int from, const octets& frame) {
        sent_frame f = parse(frame, from);
        f.at = net.now;
        if (from == 0) {
            f.again = !o.frames.empty() && static_cast<std::int32_t>(f.last - sent_to) <= 0;
            sent_to = f.again ? sent_to : f.last;
        }
        f.lost = index == begin + lost_first || index == begin + lost_second;
        o.frames.push_back(f);
        return mishap{.lost = f.lost};
    };
    const time_point start = net.now;
    static const octets message = pattern(whole);
    net.at_a.to_send.assign(message.begin(), message.begin() + static_cast<std::ptrdiff_t>(octets_to_send));
    net.at_a.ends = true;
    net.turn();
    const auto done = [&] {
        const tcp_info i = net.info_a();
        o.timeout_at = i.timeouts > 0 && o.timeouts == 0 ? net.now : o.timeout_at;
        o.timeouts = i.timeouts;
        return i.state == tcp_state::fin_wait_2 && net.at_b.end_of_stream;
    };
    const bool finished = net.run(done, duration{60'000'000'000});
    o.took = net.now - start;
    o.recoveries = net.info_a().fast_recoveries;
    if (!net.violation().empty()) {
        o.failure = net.violation();
    } else if (!finished) {
        o.failure = "unfinished";
    } else if (net.at_b.received != net.at_a.to_send) {
        o.failure = "wrong octets";
    }
    return o;
}

// Whether this timeout is one of those that RACK-TLP cannot avoid.
bool evidence_was_lost(const outcome& o)
{
    const sent_frame* last_data = nullptr;
    const sent_frame* last_ack = nullptr;
    std::uint32_t end = o.frames.front().first;
    for (const sent_frame& f : o.frames) {
        if (f.at < o.timeout_at) {
            (f.from == 0 ? last_data : last_ack) = &f;
            end = f.from == 0 && !f.again ? f.last : end;
        }
    }
    const bool nothing_more = end == o.frames.front().first + whole + 1;
    return nothing_more && last_data != nullptr && last_data->again &&
           (last_data->lost || (last_ack != nullptr && last_ack->lost && last_ack->at > last_data->at));
}

}  // namespace

TEST_CASE("RACK-TLP: no single loss of data or ACK in 40 segments costs a timeout, or more than the segment lost",
          "[simulation][RFC8985-7.3b][RFC8985-7.3d][RFC8985-6.2e]")
{
    const std::size_t index = GENERATE(+reno, +cubic, +hystart_cubic, +bbr);
    const std::size_t size = GENERATE(+whole, +short_tail);
    if (sanitized && index != hystart_cubic) {
        return;
    }
    const outcome clean = transfer(index, size, none, none);
    REQUIRE(clean.failure == "");
    REQUIRE(clean.timeouts == 0);
    REQUIRE(clean.recoveries == 0);
    for (std::size_t x = 0; x < clean.frames.size(); ++x) {
        const outcome o = transfer(index, size, x, none);
        std::vector<sent_frame> again;
        for (const sent_frame& f : o.frames) {
            if (f.again) {
                again.push_back(f);
            }
        }
        CAPTURE(controller_names[index], x, o.text());
        CHECK(o.failure == "");
        CHECK(o.timeouts == 0);
        const sent_frame& lost = clean.frames[x];
        const bool last_ack = x + 1 == clean.frames.size();
        if (lost.from == 1 && !last_ack) {
            CHECK(again.empty());  // the next ACK says it, too
            continue;
        }
        // Just what was lost, once; for the last ACK the probe, which is the last segment.
        const std::uint32_t begin = last_ack ? clean.frames.front().first + (segments - 1) * 1'448 : lost.first;
        const std::uint32_t end = last_ack ? lost.ack : lost.last;
        REQUIRE(again.size() == 1);
        CHECK(again.front().first == begin);
        CHECK(again.front().last == end);
    }
}

TEST_CASE("RACK-TLP: of all double losses in 40 segments only those of the last evidence cost a timeout, and one",
          "[simulation][RFC8985-6.2h][RFC8985-7.3a][RFC8985-7.3c][RFC5681-4.3e]")
{
    const std::size_t index = GENERATE(+hystart_cubic, +reno);  // the default, and the plainest
    if (sanitized && index != hystart_cubic) {
        return;
    }
    std::size_t timeouts = 0;
    std::size_t runs = 0;
    std::size_t failures = 0;
    const std::size_t frames = transfer(index, whole, none, none).frames.size();
    for (std::size_t x = 0; x < frames; ++x) {
        const std::size_t end = transfer(index, whole, x, none).frames.size();
        for (std::size_t y = x + 1; y < end; ++y) {
            if (sanitized && (x + y) % 10 != 0) {
                continue;
            }
            ++runs;
            const outcome o = transfer(index, whole, x, y);
            timeouts += o.timeouts;
            const bool right = o.failure.empty() && (o.timeouts == 0 || (o.timeouts == 1 && evidence_was_lost(o)));
            if (!right && ++failures <= 5) {
                CAPTURE(controller_names[index], x, y, o.timeouts, o.timeout_at.since_origin().microseconds(), o.text());
                CHECK(o.failure == "");
                CHECK(o.timeouts == 0);
            }
        }
    }
    CHECK(failures == 0);
    CAPTURE(controller_names[index], runs, timeouts);
    CHECK(runs > (sanitized ? 200u : 2'500u));
    CHECK(timeouts > 0);
    CHECK(timeouts <= runs / 40);
}

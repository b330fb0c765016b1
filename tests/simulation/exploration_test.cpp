// Two stacks, and all that a path can do to one or two of their frames: every frame of a whole life is lost, doubled,
// doubled much later, overtaken or held up beyond the retransmission timeout, and so is every pair of them. And at every
// frame either user may close, shut down or abort.
//
// Each run must come to a good end: all octets once and in order at both ends, no error told, no storm, no timer or
// record left (simulation<> watches the rest). TCPCO_LONG=1 tries threes of frames, too.
#include "simulation/cases.hpp"

#include <array>
#include <cstdlib>
#include <vector>

using namespace tcpco_test;

namespace {

using sim = simulation<>;

constexpr link_profile path{.delay = duration{10'000'000}, .per_frame = duration{100'000}};
constexpr duration an_hour{3'600'000'000'000};
constexpr duration beyond_rto{2'500'000'000};

// The kinds of mishap, in the order of their names.
const std::array<mishap, 5> mishaps{{{.lost = true},
                                     {.copy = duration{0}},
                                     {.copy = beyond_rto},
                                     {.late = duration{25'000'000}},
                                     {.late = beyond_rto}}};
constexpr std::array<const char*, 5> names{"lost", "doubled", "doubled late", "overtaken", "late"};

struct blow {
    std::size_t frame = ~std::size_t{0};
    std::size_t kind = 0;
};

enum class ending { client, server, both_at_once, half_close };
enum class opening { plain, bare, simultaneous, cookies, fast_open };
constexpr std::array<const char*, 4> endings{"the client ends", "the server ends", "both end at once", "half-close"};
constexpr std::array<const char*, 5> openings{"plain", "without options", "simultaneous", "cookies", "Fast Open"};

struct scenario {
    opening begins = opening::plain;
    ending ends = ending::client;
};

// A life up to its first frame that may be disturbed.
struct life {
    explicit life(const scenario& s) : net{config(sim::config_a(), s), config(sim::config_b(), s), path}, plan{s}
    {
        net.skip_arp();
        net.frame_limit = 400;
        net.record = true;
        net.at_a.to_send = pattern(3'500, 1);
        net.at_b.to_send = pattern(3'000, 2);
        net.at_a.ends = s.ends == ending::both_at_once || s.ends == ending::client || s.ends == ending::half_close;
        net.at_b.ends = s.ends == ending::both_at_once || s.ends == ending::server;
        if (s.ends == ending::half_close) {
            net.at_b.to_send.clear();
        }
        begin();
        first = net.link.count();
    }

    void strike(std::vector<blow> blows)
    {
        net.link.disturbs = [blows = std::move(blows), from = first](std::size_t index, int, const octets&) {
            for (const blow& b : blows) {
                if (from + b.frame == index) {
                    return mishaps[b.kind];
                }
            }
            return mishap{};
        };
    }

    // Empty, or what went wrong.
    std::string finish()
    {
        const auto answered = [this] { return net.at_b.received.size() == 3'500 && net.at_b.end_of_stream; };
        if (plan.ends == ending::half_close) {  // the server answers once it has seen the end
            net.run(answered, an_hour);
            net.at_b.to_send = pattern(3'000, 2);
            net.at_b.ends = true;
        } else if (plan.ends == ending::client) {
            net.run([this] { return net.at_b.end_of_stream; }, an_hour);
            net.at_b.ends = true;
        } else if (plan.ends == ending::server) {
            net.run([this] { return net.at_a.end_of_stream; }, an_hour);
            net.at_a.ends = true;
        }
        net.turn();
        if (const std::string bad = net.complete(an_hour); !bad.empty()) {
            return bad;
        }
        return leftovers();
    }
    std::string leftovers()
    {
        net.run_for(an_hour);  // whatever is still on its way, and TIME-WAIT
        net.a.close(net.id_a);
        net.b.close(net.id_b);
        if (net.listener.value) {
            net.b.close(net.listener);
        }
        net.run_for(an_hour);
        if (!net.violation().empty()) {
            return net.violation();
        }
        if (net.a.connection_count() + net.b.connection_count() + net.a.time_wait_count() + net.b.time_wait_count() != 0) {
            return "a connection is left";
        }
        if (net.a.deadline() != time_point::never() || net.b.deadline() != time_point::never()) {
            return "a timer is left";
        }
        return {};
    }
    std::string transcript() const
    {
        std::string text;
        for (const wire_frame& f : net.trace) {
            text += std::to_string(f.at.since_origin().microseconds()) + " us  " + dump_ethernet(f.data) + "\n";
        }
        return text;
    }

    sim net;
    scenario plan;
    std::size_t first = 0;

private:
    static stack_config<default_policies> config(stack_config<default_policies> c, const scenario& s)
    {
        if (s.begins == opening::bare) {
            c.tcp.sack = c.tcp.timestamps = c.tcp.window_scaling = false;
        }
        if (s.begins == opening::cookies) {
            c.syn_defence.use = syn::cookies::when::always;
        }
        return c;
    }

    void begin()
    {
        if (plan.begins == opening::simultaneous) {
            net.open_simultaneously();
            return;
        }
        net.a.advance(net.now);
        net.b.advance(net.now);
        net.listener = net.b.listen({net.b.address(), 7}).value;
        if (plan.begins == opening::fast_open) {
            REQUIRE(net.b.set_options(net.listener, {.fast_open = 4}) == errc::ok);
            get_cookie();
        }
        net.id_a = net.a.connect({net.b.address(), 7}, {.fast_open = plan.begins == opening::fast_open}).value;
    }
    void get_cookie()
    {
        const connection_id asks = net.a.connect({net.b.address(), 7}, {.fast_open = true}).value;
        REQUIRE(net.a.write(asks, pattern(1)).value == 1);
        const program a = std::exchange(net.at_a, {.ends = false});
        const program b = std::exchange(net.at_b, {.ends = false});
        net.run_for(duration{1'000'000'000});
        REQUIRE(net.id_b);
        net.a.abort(asks);
        net.a.close(asks);
        net.run_for(duration{1'000'000'000});
        net.b.close(net.id_b);
        net.id_b = {};
        net.at_a = a;
        net.at_b = b;
        net.trace.clear();
    }
};

std::string with(const scenario& s, std::vector<blow> blows, std::size_t* frames = nullptr)
{
    life l{s};
    l.strike(blows);
    std::string bad = l.finish();
    if (frames != nullptr) {
        *frames = l.net.link.count() - l.first;
    }
    if (!bad.empty()) {
        bad += "\n" + std::string{openings[static_cast<std::size_t>(s.begins)]} + ", " +
               endings[static_cast<std::size_t>(s.ends)];
        for (const blow& b : blows) {
            bad += ", frame " + std::to_string(b.frame) + " " + names[b.kind];
        }
        bad += "\n" + l.transcript();
    }
    return bad;
}

bool long_run() { return std::getenv("TCPCO_LONG") != nullptr; }

}  // namespace

TEST_CASE("exploration: one or two frames of a whole life lost, doubled, overtaken or late, and all ends well",
          "[simulation][MUST-10][RFC9293-3.10.7.4-5j]")
{
    const scenario s{GENERATE(opening::plain, opening::bare, opening::simultaneous, opening::cookies, opening::fast_open),
                     GENERATE(ending::client, ending::server, ending::both_at_once, ending::half_close)};
    std::size_t frames = 0;
    REQUIRE(with(s, {}, &frames) == "");
    REQUIRE(frames >= 9);
    REQUIRE(frames <= 24);
    int failures = 0;
    std::size_t refused = 0;
    std::size_t runs = 0;
    const auto attempt = [&](std::vector<blow> blows) {
        ++runs;
        const std::string bad = with(s, std::move(blows));
        // Who keeps nothing before the handshake's last ACK cannot know an ACK without text that comes in its place (the
        // answer to a late SYN,ACK, say) and must reset it (RFC 9293 3.10.7.2); Linux's cookies do the same.
        if (s.begins == opening::cookies && bad.find("reset by peer") != std::string::npos) {
            ++refused;
        } else if (!bad.empty() && ++failures <= 3) {
            CHECK(bad == "");
        }
    };
    for (std::size_t x = 0; x < frames + 2; ++x) {
        for (std::size_t k = 0; k < mishaps.size(); ++k) {
            attempt({{x, k}});
        }
    }
    // Pairs, each kind with each; with a sanitizer the kinds take turns.
    for (std::size_t x = 0; x < frames + 2; ++x) {
        for (std::size_t y = x + 1; y < frames + 4; ++y) {
            for (std::size_t k = 0; k < mishaps.size() * mishaps.size(); ++k) {
                if (!sanitized || long_run() || (x + y + k) % 50 == 0) {
                    attempt({{x, k / mishaps.size()}, {y, k % mishaps.size()}});
                }
            }
        }
    }
    // Triples, when there is time: every three frames, with five of the 125 threes of kinds.
    for (std::size_t x = 0; long_run() && x < frames; ++x) {
        for (std::size_t y = x + 1; y < frames + 2; ++y) {
            for (std::size_t z = y + 1; z < frames + 4; ++z) {
                for (std::size_t k = (x + y + z) % 25; k < 125; k += 25) {
                    attempt({{x, k / 25}, {y, k / 5 % 5}, {z, k % 5}});
                }
            }
        }
    }
    CHECK(failures == 0);
    INFO(runs);
    CHECK(refused <= runs / 50);
    CHECK(runs > frames * 5);
}

TEST_CASE("exploration: at any frame either user closes, shuts down or aborts, whichever frame is lost besides",
          "[simulation][RFC9293-3.10.4a]")
{
    // What the peer then has is a prefix, both ends come to CLOSED, and nothing is left over.
    const opening begins = GENERATE(opening::plain, opening::simultaneous, opening::cookies, opening::fast_open);
    enum class call { close, shutdown, abort };
    const call what = GENERATE(call::close, call::shutdown, call::abort);
    const bool client = GENERATE(true, false);
    std::size_t finished = 0;
    for (std::size_t at = 0; at < 16; ++at) {
        for (std::size_t lost = 0; lost <= 16; lost += sanitized ? 4 : 1) {  // 16: none
            life l{{begins, ending::both_at_once}};
            l.strike({{lost == 16 ? ~std::size_t{0} : lost, 0}});
            sim& net = l.net;
            net.run([&] { return net.link.count() - l.first >= at && (client || net.id_b); }, duration{5'000'000'000});
            basic_stack<>& stack = client ? net.a : net.b;
            const connection_id id = client ? net.id_a : net.id_b;
            if (!id) {
                continue;  // the server has nothing yet that it could end
            }
            program& user = client ? net.at_a : net.at_b;
            user.ends = false;
            if (what == call::shutdown) {
                user.to_send.resize(user.sent);
                static_cast<void>(stack.shutdown(id));
            } else {
                static_cast<void>(what == call::close ? stack.close(id) : stack.abort(id));
            }
            INFO("call at " << at << ", lost " << lost << "\n" << l.transcript());
            REQUIRE(l.leftovers() == "");
            const auto is_prefix = [](const octets& got, const octets& whole) {
                return got.size() <= whole.size() && std::equal(got.begin(), got.end(), whole.begin());
            };
            REQUIRE(is_prefix(net.at_b.received, pattern(3'500, 1)));
            REQUIRE(is_prefix(net.at_a.received, pattern(3'000, 2)));
            // The other user was told: the end of the stream, or the reset.
            const program& other = client ? net.at_b : net.at_a;
            const bool told = other.end_of_stream || other.error != errc::ok;
            const bool had_one = client ? static_cast<bool>(net.id_b) : true;
            REQUIRE((told || !had_one));
            ++finished;
        }
    }
    CHECK(finished > (sanitized ? 40u : 150u));
}

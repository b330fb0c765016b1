#include "tcpco/stack/basic_stack.hpp"

#include "catch.hpp"
#include "support/network.hpp"

using namespace tcpco_test;

namespace {

// One exchange between two stacks: a request and a reply of some size each over a lossy wire, then both close. `each`
// is called at every stop of the clock with the stacks, and must not change what they do.
class exchange {
public:
    exchange()
    {
        net.delay = 5_ms;
        net.filter = [this](int, std::size_t, const octets&) {
            return random_.below(100) < 4 ? 0 : random_.below(100) < 3 ? 2 : 1;
        };
    }

    template <class F>
    void run(F&& each)
    {
        const listener_id listener = net.b.listen({"192.0.2.2"_ip, 80}).value;
        client_ = net.a.connect({"192.0.2.2"_ip, 80}).value;
        net.run_for(400_s, [&] {
            each(net);
            if (const auto c = net.b.accept(listener); c.ec == errc::ok) {
                server_ = c.value;
            }
            work(net.a, client_, request_, request_done_, at_client);
            work(net.b, server_, reply_, reply_done_, at_server);
        });
    }

    two_stacks<> net;
    octets at_client;
    octets at_server;

    void check() const
    {
        CHECK((at_server == request_));
        CHECK((at_client == reply_));
        CHECK(net.a.connection_count() == 0);
        CHECK(net.b.connection_count() == 0);
        CHECK(net.a.deadline() == time_point::never());
        CHECK(net.b.deadline() == time_point::never());
    }

private:
    static void work(basic_stack<default_policies>& stack, connection_id& id, const octets& text, std::size_t& done,
                     octets& got)
    {
        if (!id || (stack.readiness_of(id) & readiness::connected) == 0) {
            return;  // CLOSE in SYN-SENT would end the attempt (RFC 9293 3.10.4)
        }
        done += stack.write(id, std::span{text}.subspan(done)).value;
        if (done == text.size()) {
            static_cast<void>(stack.shutdown(id));
        }
        octets some(10'000);
        const auto r = stack.read(id, some);
        got.insert(got.end(), some.begin(), some.begin() + static_cast<std::ptrdiff_t>(r.value));
        if (r.ec == errc::end_of_stream && done == text.size()) {
            static_cast<void>(stack.close(id));
            id = {};
        }
    }

    random_source random_{5};
    connection_id client_{};
    connection_id server_{};
    octets request_ = pattern(60'000, 1);
    octets reply_ = pattern(40'000, 2);
    std::size_t request_done_ = 0;
    std::size_t reply_done_ = 0;
};

void check_same(const exchange& x, const exchange& y)
{
    REQUIRE(x.net.sent.size() == y.net.sent.size());
    for (std::size_t i = 0; i < x.net.sent.size(); ++i) {
        const wire_frame& f = x.net.sent[i];
        const wire_frame& g = y.net.sent[i];
        if (f.at != g.at || f.from != g.from || f.data != g.data) {
            FAIL("frame " << i << ": " << dump_ethernet(f.data) << " / " << dump_ethernet(g.data));
        }
    }
}

const exchange& plain()
{
    static exchange x;
    static const bool ran = [] {
        x.run([](two_stacks<>&) {});
        return true;
    }();
    static_cast<void>(ran);
    return x;
}

constexpr auto no_sink = [](const outgoing_frame&) { return sink_verdict::refused; };

}  // namespace

TEST_CASE("a lossy exchange ends with every octet at its place and nothing left", "[stack]")
{
    plain().check();
    CHECK(plain().net.a.counters().retransmissions + plain().net.b.counters().retransmissions > 0);  // lossy indeed
}

TEST_CASE("the same seed gives the same frames, octet by octet", "[stack]")
{
    exchange again;
    again.run([](two_stacks<>&) {});
    check_same(plain(), again);
}

TEST_CASE("spurious calls change nothing: advance, transmit without budget, queries", "[stack]")
{
    exchange spurious;
    random_source random{99};
    spurious.run([&](two_stacks<>& net) {
        for (auto* stack : {&net.a, &net.b}) {
            for (std::uint64_t n = random.below(4); n > 0; --n) {
                switch (random.below(6)) {
                case 0: stack->advance(net.now); break;
                case 1:
                    stack->advance(net.now + duration{-1'000'000'000});
                    break;  // a clock that went back counts as still
                case 2: CHECK(stack->transmit(net.now, no_sink, 0) == 0); break;
                case 3: stack->transmitted({static_cast<std::uint32_t>(random.below(1'000))}); break;
                case 4: stack->check_invariants(); break;
                default: stack->for_each_connection([](connection_id, const tcp_info&) {}); break;
                }
            }
        }
    });
    check_same(plain(), spurious);
    spurious.check();
}

TEST_CASE("what is refused has not happened: a device that refuses now and then sends the same frames", "[stack]")
{
    exchange refused;
    random_source random{17};
    refused.run([&](two_stacks<>& net) {
        for (auto* stack : {&net.a, &net.b}) {
            for (std::uint64_t n = random.below(3); n > 0; --n) {
                stack->transmit(net.now, no_sink);
            }
        }
    });
    check_same(plain(), refused);
    refused.check();
}

TEST_CASE("deadline() is never late: a stack that is looked at all the time does the same", "[stack]")
{
    // `busy` stops at every deadline of the wire and of the stacks, as `plain` does, and in between as well.
    exchange busy;
    time_point last = busy.net.now;
    busy.run([&](two_stacks<>& net) {
        CHECK(net.a.deadline() >= net.now);  // what was due has been done
        CHECK(net.b.deadline() >= net.now);
        last = net.now;
    });
    check_same(plain(), busy);

    exchange driven;
    struct step_by_step {
        static void run(two_stacks<>& net, duration d)
        {
            const time_point end = net.now + d;
            while (net.now < end) {
                net.run_for(std::min(duration{250'000}, end - net.now));
            }
        }
    };
    const listener_id listener = driven.net.b.listen({"192.0.2.2"_ip, 80}).value;
    const connection_id id = driven.net.a.connect({"192.0.2.2"_ip, 80}).value;
    REQUIRE(driven.net.a.write(id, pattern(30'000)).value == 30'000);
    step_by_step::run(driven.net, 3_s);
    exchange jumping;
    const listener_id other = jumping.net.b.listen({"192.0.2.2"_ip, 80}).value;
    const connection_id same = jumping.net.a.connect({"192.0.2.2"_ip, 80}).value;
    REQUIRE(jumping.net.a.write(same, pattern(30'000)).value == 30'000);
    jumping.net.run_for(3_s);
    check_same(driven, jumping);
    CHECK(driven.net.sent.size() > 20);
    CHECK(listener == other);
}

TEST_CASE("time that is not monotonic is taken for the latest that was told", "[stack]")
{
    two_stacks<> net;
    net.a.advance(net.now);
    static_cast<void>(net.a.connect({"192.0.2.2"_ip, 80}));
    net.settle();
    net.a.advance(time_point{});
    net.a.transmit(time_point{}, no_sink);
    CHECK(net.a.deadline() > net.now);
}

TEST_CASE("a timer that moves from one past time to an earlier one is due all the same", "[stack]")
{
    two_stacks<> net;
    basic_stack<default_policies>& host = net.a;
    const auto lose_all = [](const outgoing_frame&) { return sink_verdict::done; };
    REQUIRE(net.b.listen({net.b.address(), 7}).ec == errc::ok);
    const connection_id id = host.connect({net.b.address(), 7}).value;
    net.run_for(1_s);
    REQUIRE(host.write(id, as_octets("hello")).value == 5);
    host.transmit(net.now, lose_all);
    const time_point late = net.now + 10_s;  // a stall: the retransmission timer is long over
    REQUIRE(host.set_user_timeout(id, 1_ms) == errc::ok);
    host.transmit(late, lose_all);
    host.check_invariants();
    CHECK(host.deadline() <= late);
    host.advance(late);
    CHECK(host.error_of(id) == errc::timed_out);
}

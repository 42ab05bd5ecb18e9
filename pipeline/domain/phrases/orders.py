"""What customers want of an order or a subscription: change it, stop it, know where it is."""

from __future__ import annotations

from pipeline.domain.phrases.rule import COMPLAINTS, OUTCOMES_WANTED, Rule, rule
from pipeline.domain.taxonomy import Intent

_HAVE_IT = """
    i received|got|tried_them|tried_it|wore|opened|unpacked
    arrived -not_arrived|never_arrived|not_yet
    too_small|too_big|too_tight|too_large|too_loose|too_long|too_short
    do|does not fit
    sent|shipped|gave ..1 me
"""
"""The goods are in the customer's hands, so nothing about the order can be edited."""

CHANGES: tuple[Rule, ...] = (
    rule(
        Intent.CANCEL_SUBSCRIPTION, "subscription",
        """
        cancel*|stop|stopping|unsubscrib*|unenroll*|end|ending|pause|quit|terminat*|skip|turn_off|get_out|deactivate|discontinu*|leave|freeze|downgrad*|upgrade|switch_off|disable|out_of <>6 @SUBSCRIPTION
        unsubscribe|unsubscribing|unsubscribed|unsubcribe|opt_out|opting_out|opt-out
        take|remove|get|delete|removed [me|us|my] ..4 off|from ..4 list|lists|emails|newsletter|texts|mailing|marketing
        take|remove|delete ..2 number|name|email|me off|from -order
        take|get me|us off -refund|shipping
        stop [it|please] ..1 sending|emailing|texting|spamming me|us -tracking
        stop ..2 emails|texts|newsletters|spam|sms|mails|marketing
        ^ stop|unsubscribe|stopall $
        no_longer|not ..3 wish|want|need|like|receive|get ..4 subscription*|newsletter*|emails|monthly|box|membership|texts|catalog* -email_confirmation|my_box|the_box_arrived
        no_more deliveries|boxes|shipments|emails|newsletters
        @SUBSCRIPTION ..4 fee|cancelled|canceled|cancel|ended|stopped|renewed|renew|charged|still -payment_failed
        charged|billed|charging|charge|billing|bill|renewed ..8 subscription|auto-ship|autoship|auto-renew*|membership|every_month|each_month|monthly
        do_not|not|stop|without ..1 renew|renewing|re-bill -driver
        skip|pause|postpone ..3 next|this|month*|box|delivery ..2 month*|box|shipment
        change|switch|move|reduce ..2 plan|subscription|frequency ..4 every|week*|month*|smaller|lower
        turned_out|signed_up|signed_me|enrolled|enroled ..6 subscription|auto-ship|recurring +stop|cancel|not|without
        manage|modify|change ..2 subscription
        stop|end|quit|cancel|leave ..2 plan|programme|program|sub
        """,
        beats=frozenset({Intent.CANCEL_ORDER, Intent.TECHNICAL_SUPPORT, Intent.PRE_PURCHASE_QUESTION, Intent.BILLING_ISSUE}) | COMPLAINTS | OUTCOMES_WANTED,
    ),
    rule(
        Intent.CANCEL_SUBSCRIPTION, "newsletter",
        """
        newsletter*|newsleter*|newslewtter*|news_letter*
        subscription|subscribe|subscribing to|for your|the
        """,
        unless="@CODE",
        weak=True,
    ),
    rule(
        Intent.CANCEL_ORDER, "cancel_order",
        """
        @CANCEL <>6 @ORDER -culture|subscription*|membership|newsletter*|prime
        i|we|please|kindly|you|to|just|and|then|me ..3 cancel|void|abort|scrap|cancelling|canceling it|this|that|them|everything|one|both|all|the_order|my_order|asap|soon|immediately|now|please|before|because -subscription*|membership|account|trial|plan|fee
        want|wants|like|need|wish|trying|decided|possible|time|late|able|allowed|how|way|help|going|rather|prefer ..3 cancel|cancelling|canceling|cancel_it !subscription*|membership|account|my_account|trial|plan|my_subscription|my_membership|my_plan|the_subscription -subscription*|membership|account|prime|trial|plan
        please|kindly|just|can|could|you|i|still|rather|me|button|clicked|click|request* ..1 cancel|cancellation -subscription*|membership|account|prime|trial|plan
        ^ [please|kindly|hi|hello|hey] cancel !subscription|my_subscription|membership|my_membership|account|my_account|newsletter|the_newsletter|my_plan|prime -subscription*|membership|account|newsletter|plan|trial
        cancel please|now|soon|everything $
        want|like|have|get|need|rather|would|wish|it|this|that|be|prefer ..3 cancelled|canceled +want|like|please|need|rather|get|have|could|can -was|were|been|subscription*|membership|already
        cancel*|terminat*|withdraw*|early_exit <>4 fee|fees|penalt*|charge|charges|cost|costs|polic*
        request*|ask* ..3 cancellation -subscription|membership
        no_longer|not want|need ..3 order|purchase !to|confirmation|returned|refunded
        @ORDER ..8 no_longer|not want|need|wish it|them|this|that -received|arrived
        do_not ship|send|dispatch|process|post|mail it|this|that|them|the_order|my_order|order|the_parcel|the_package !to|until|again|back
        order|ordered|purchased|bought|placed|clicked|pressed|checked_out ..4 by_mistake|by_accident|accidentally|by_error|in_error|twice_by -wrong_size|wrong_color
        accidentally|accidently|mistakenly ordered|bought|purchased|placed|clicked|order|put ..2
        pull|drop|kill|forget|retract|remove|delete ..1 my|the|this|that order !confirmation
        stop|halt ..3 @ORDER !arriving -subscription|recurring|monthly|autoship
        stop ..2 shipment|shipping ..2 order
        ^ [please|kindly] stop ..2 shipment|delivery
        duplicate|two|second|same|double order|orders ..3 by_mistake|by_accident|twice|now
        placed|ordered ..3 same ..3 twice
        found|bought ..3 cheaper|elsewhere|locally|somewhere_else +not|cancel|no_longer
        changed my|our mind ..6 order -received|return*|back
        """,
        beats=COMPLAINTS | OUTCOMES_WANTED,
    ),
    rule(
        Intent.CANCEL_ORDER, "cancelled",
        """
        order|orders|# ..6 was|is|been|got|has|shows|showing|shown|were ..2 cancelled|canceled -please_cancel
        why ..6 cancelled|canceled
        cancelled|canceled ..4 without
        cancellation|cancel
        """,
        unless="@SUBSCRIPTION",
        weak=True,
    ),
    rule(
        Intent.ADDRESS_CHANGE_ORDER_EDIT, "address_change",
        """
        @CHANGE|update|updating|updated|set|setting|set_up|setting_up|add|adding|wrong|incorrect|old|new|different|another|second|secondary|mistake|typo|mistyped|misspelled|misspelt|forgot|missing|moved|entered|put|typed|wrote|gave|should_be|other|error|errors <>7 @ADDRESS -email|e-mail|mail_address|ip|delivered|deliverd|left|handed|dropped|signed|taken_to|went_to|thermostat
        shipping|delivery|postal|mailing|home address|addresses -was_delivered|delivered_to
        address is|was|completely|totally|needs|should|has|reads|read ..3 wrong|incorrect|incomplete|not|change|changed|# -delivered|left
        it_is|is|should_be|should_read|not # ..3 not # +address|street|house|zip|number|postcode|road
        send|ship|deliver|redirect|re-direct|reroute|re-route|forward|divert|sent|shipped|delivered ..4 to ..2 new|different|another|other|work|office|workplace|neighbor*|neighbour*|home|my_house|my_place|parents|mother|sister|hotel|friend* [address|house|place|instead] -left|was_delivered|wrong|model|item|product
        redirect|re-direct|reroute|re-route|redirected|rerouted
        send|ship|deliver ..4 # ..6 instead
        moving|new_house|new_place|new_home|moved ..12 order|deliver*|ship*|send|parcel -not_moved|has_not_moved|warehouse
        send|ship|deliver it|this|that|them|order to ..3 # ..3 street|road|st|rd|avenue|ave|lane|unit|court|park
        move|moved|moving ..6 order|parcel|package|delivery|send|ship|deliver -warehouse|not_moved|has_not
        typed|entered|put|wrote|gave|spelled ..4 wrong|incorrect*|old|incorrectly ..2 address|street|zip*|postcode|house|apartment|flat|city|number -email
        street|house|postcode|zip|flat|apartment ..3 wrong|incorrect|mistake -delivered|left
        change|update|correct|edit ..4 name|phone_number|recipient|phone ..4 on|for ..3 order|parcel|delivery|package
        """,
    ),
    rule(
        Intent.ADDRESS_CHANGE_ORDER_EDIT, "order_edit",
        """
        change|changes|changing|modify*|modifying|edit*|amend*|alter*|adjust* <>4 @ORDER -mind|status|tracking|account|profile|settings|password|mail|email|delivery_date_keeps
        update|updating|correct ..2 my|the|an|this|our|last|existing ..1 order|orders|purchase -on_my|status
        add|adding|remove|removing|delete|deleting|swap|swapping|switch|change|changing|replace|replacing|take_off|get_rid <>3 item|items|product|products|article|articles|something|things -cart|basket|account|profile|defective|broken|damaged|faulty|received|error
        add|adding|include|including|remove|removing|take|put ..7 to|from|in|off|into|on my|the|this|that|an|our|existing|same|last ..2 order|orders|purchase -discount|code|coupon|voucher|cart|promo*|note_saying
        forgot|forgotten|like|want|possible|can|could ..5 to_add|add|include ..5 to|in|on ..1 my|the|last|existing ..1 order -code|discount|coupon|voucher
        add|include|remove|put ..6 to|in|on|from|into order|orders !confirmation
        add # more|extra to ..1 order
        combine|merge|consolidate ..4 orders|order|shipments|parcels
        upgrade|change|switch ..4 express|shipping|expedited|priority|next_day +order
        upgrade|expedite|speed_up ..4 order|shipping|delivery
        hold|postpone|keep ..2 my|the|this order|delivery|parcel|package|shipment !is|was|has -until_when|customs
        change|reschedule|move|rearrange|different ..3 delivery|ship ..1 date|day|slot|time|window -keeps
        """,
        unless=_HAVE_IT,
    ),
    rule(
        Intent.ADDRESS_CHANGE_ORDER_EDIT, "order_edit_variant",
        """
        change|switch|swap|edit|update|correct|amend|make ..6 size|color|quantity|variant|flavor|name|scent|style|shade|model|option
        change|switch|swap|amend|correct|fix|edit|make|exchange it|this|that|them|one ..6
        chose|picked|selected|ordered|clicked ..4 wrong ..2 size|color|variant|one|model|option|quantity
        picked|chose|selected|ordered ..3 but ..4 need|want|meant
        swap|switch|change ..6 for|to
        """,
        beside="""
        before ..2 ship*|goes|go|send*|sent|dispatch*|leaves|post*
        not ..2 shipped|dispatched|sent|left ..1 yet
        just|minutes_ago|minute_ago|hour_ago|hours_ago|this_morning|this_afternoon|today|last_night|tonight ..5 order|ordered|placed|bought
        minutes_ago|minute_ago|hour_ago|hours_ago|too_late
        ordered|order|placed|bought|checking_out ..6 just|minutes_ago|minute_ago|hour_ago|hours_ago|this_morning|this_afternoon|today|last_night|an_hour
        on|in|of|for ..1 my|the|this|# order
        still being|getting packed|processed|prepared
        """,
        unless=_HAVE_IT,
    ),
)  # fmt: skip

STATUS: tuple[Rule, ...] = (
    rule(
        Intent.SHIPPING_DELAY_NOT_SHIPPED, "shipping_delay",
        """
        not|still|never|yet_to|nothing ..5 ship|shipped|dispatched|dispatch|left_the_warehouse|left_your_warehouse|sent_out|been_sent|moved|fulfilled|send_my_order|sent_my_order|posted -shipping_label|international|to_my_country|wrong
        why|when ..5 not ..3 ship*|send|sent|dispatch*|arriv*|here|come +order|package|parcel|it|delivery|shipment
        delay*|late|overdue|taking_so_long|taking_too_long|takes_so_long|taking_very_long|taking_forever|takes_forever|so_long|behind_schedule|stuck|unfulfilled|on_hold|held_up|past_due <>6 @PARCEL|shipping|dispatch|item|it|delivered -refund*|fee|charge*|reply|response|return|no_later
        slow|forever <>4 @PARCEL|shipping|dispatch
        still ..5 processing|unfulfilled|preparing|pre-transit|pre_transit|label_created|pending|awaiting|confirmed -refund|payment|payments|return
        stuck ..2 on|in|at ..3 processing|preparing|unfulfilled|transit|pending|warehouse|customs
        unfulfilled|awaiting_fulfillment|awaiting_fulfilment|awaiting_dispatch|awaiting_shipment|shipping_soon|on_hold +order|since|for|why|status|still|days|weeks
        supposed|meant|due|scheduled|expected|promised|guaranteed|should_have|was_to|estimated ..5 arrive*|here|come|ship*|deliver*|dispatch*|sent|go_out +not|still|yet|yesterday|last|now|nothing|ago|where|days|never|passed|today|late -refund
        was|were due ..6 not|still|now|nothing|yesterday
        was|were|it_is due yesterday|last|on ..8 now|today|still|not
        delivery|arrival|expected|estimated|due date ..5 passed|past|ago|yesterday|keeps
        expected|estimated ..2 delivery|arrival ..6 +nothing|now|still|ago|today|not
        label ..3 created|printed|made ..10 ago|days|nothing|weeks|since
        awaiting|waiting_for ..1 package|item|parcel|shipment +carrier|courier|says|shows
        @CARRIER|they|you ..1 lost my|the|our ..1 @PARCEL
        @PARCEL is|was|got|has_been|must_be|may_be|might_be|be lost -delivered
        still waiting|wait|await* ..6 @PARCEL|ship|arrive|item|arrival -refund*|money
        # days|weeks|week|day ..6 no|not|nothing|still|without ..3 shipping|shipped|ship|arriv*|received|come|here|package|parcel|delivery|movement|order|dispatch* -refund*|returned
        not|no|nothing|never ..3 shipping|shipped|arriv*|received|come|here|package|parcel|delivery|moved|sent ..6 # days|weeks|week -refund*|returned|wrong
        weeks|days|month|fortnight|weeks_ago ..6 nothing|not|no|still ..2 ship*|arriv*|received|come|here|package|parcel|delivery|dispatch*|sent -refund*|returned
        ordered|placed|paid ..6 weeks|days|month|months|fortnight ..6 nothing|not|still|no -refund*|returned|wrong|missing
        where|why ..5 late|delayed|overdue ..3
        no_sign of ..3 @PARCEL|it|item
        running_late|shipping_delay|delayed_delivery|late_delivery|delivery_delay|delayed_shipping
        pre-order|preorder ..8 ship*|was_meant|was_supposed
        my|the|this|it ..3 late|delayed|overdue $ -refund
        @PARCEL ..4 late|delayed|overdue|delay
        been|is|was|are ..2 delayed -refund*|flight|payment
        should ..1 have ..2 been here|delivered|shipped|sent -refund*
        non-receipt|not_been_delivered|not_delivered|undelivered|not_been_dispatched
        days|weeks without ..3 shipp*|parcel|movement|update
        no ship*|shipping|dispatch notice|notification|confirmation|update
        two-day|next-day|express|overnight|one-day|same-day ..6 took|still|not|days|weeks|late
        """,
        unless="tracking|app|website|it says|shows|say ..3 delivered\nnot_delivered_to_me",
        beats=frozenset({Intent.ORDER_STATUS_TRACKING}),
    ),
    rule(
        Intent.ORDER_STATUS_TRACKING, "order_status",
        """
        where is|are|did|has|have|can|could|abouts|at|do ..4 @PARCEL|item|items|stuff|thing|things|purchase|it|everything|my -returned|refund*|money|code|discount|email|invoice|from
        where ..1 my|the|our ..3 @PARCEL|item|stuff|purchase is|are|has|have -refund*|returned|from
        where it|they|everything is|are|has|have|went|go -refund*|money|returned|made|manufactured|from
        where ..2 is|are my -refund*|money|code|discount|invoice|email
        whereabouts|eta|in_transit|out_for_delivery|order_progress|shipping_update -refund
        status|eta|progress|update|updates|news|information|info|word|whereabouts|location <>5 @PARCEL|purchase|shopping -refund*|account|payment|update_my_order|update_the_order|change|return|invoice|subscription
        track|tracking|trace|locate|locating|follow -watch|tracker_watch|expenses|refund*|returns|return|fitness|record|sync
        check*|look_up|follow_up|following_up|checking_in|checking_up|anything|update ..4 @PARCEL|purchase -invoice*|option*|fee*
        update|news|status ..2 on|about|for|of|regarding #
        when|what_day|what_date|what_time|how_soon|how_long|how_much_longer|how_many_days|roughly ..7 arrive*|arriving|come|coming|get_here|gets_here|here|delivered|deliver|delivery|receive*|ship|ships|shipped|shipping|sent|due|get_it|get_my|get_them|turn_up|reach|land|post|posted -promised|announce*|refund*|money|stock|restock*|return*|code|invoice|email|reply|answer|response|sell|gift|available
        expect* ..4 @PARCEL|arrive|arrival|delivery|date|it|them -refund*
        has|have|did|is|was|are my|the|our|order|it|you|them|u ..4 left|ship|ship*|sent|dispatched|gone_out|on_its_way|on_the_way|arrive*|posted|go_out|gone_through|go_through|went_through|coming|out -code|discount|payment|email|refund*|invoice|in_stock|wrong|come_in|internationally|to
        on_its|on_the way +order|parcel|package|it|is|still|delivery -refund
        delivery|shipping|arrival|shipment|dispatch date|dates|time|times|estimate|period|periods|status|confirmation|window|slot|day -cost|option*|address|change|different
        tracking|tracker|ups|usps|fedex|dhl|courier|carrier|depot ..8 not|no|stuck|stopped|where|says|shows|said|since|moved|updat*|held|label|exception|transit|attempt* -delivered|damaged|broken
        not|nothing|never ..3 heard|received ..4 since|about|regarding|confirmation +order*
        not|yet|never ..3 received|gotten|get|got|arrived|arrive|come|came|shown_up|turned_up <>6 @PARCEL -refund*|charged|delivered|missing|full|complete|whole|never
        @PARCEL ..8 not|yet_to ..3 received|arrived|arrive|come|came|here|shown_up|show_up|turned_up -delivered|refund*
        return_to_sender|returned_to_sender|delivery_attempt*|attempted_delivery|held_at ..4
        being_held|held ..4 depot|customs|facility|courier|post_office
        customs ..6 @PARCEL|update|release*|held
        which|what courier|carrier
        look_up ..2 order
        order|# went_through|go_through|gone_through
        waiting|wait|awaiting ..3 @PARCEL|delivery|item -refund*|money|list
        if|whether ..6 left|shipped|sent|dispatched|on_its_way|here ..5
        still_waiting|any_news|any_update* +order|parcel|package|#|delivery|it -refund*
        """,
        unless="says|said|shows|marked|showing|tracking ..6 delivered|delivery_to -out_for|will_be|to_be|should|supposed|not_been|scheduled\nstolen|signed_for|porch\nrefund*|money_back +status|track*|where|when|check|update|take|takes",
    ),
)  # fmt: skip

"""What people ask who have not bought yet, what they pay less for, and who wants to advertise."""

from __future__ import annotations

from pipeline.domain.phrases.rule import Rule, rule
from pipeline.domain.taxonomy import Intent

_BOUGHT = """
    i|we ..1 ordered|bought|purchased|received|got|paid|returned
    i|we have ..1 ordered|bought|purchased|received
    my|our|this ..1 order|orders|package|parcel|delivery|shipment|refund|subscription !is_placed
    order #
    order|invoice number|no|nr|ref|id
    arrived|delivered|tracking|charged
    broken|damaged|defective|cracked|faulty|leaking
    cancel*|refund*
"""
"""The writer has bought already: a question about a product is then about that one."""

SALES: tuple[Rule, ...] = (
    rule(
        Intent.PRE_PURCHASE_QUESTION, "before_buying",
        """
        before i|we ..1 buy|order|purchase|buying|ordering|commit|checkout|pay !again
        before|prior_to buying|ordering|purchasing|placing
        if|when|should i|we ..1 buy|order|purchase|bought|ordered|were_to_buy|get ..4 will|can|do|does|it|is|would|this|them|one|now -again|new_one|cancel|return_it_now
        thinking|considering|planning|hoping|interested|looking|deciding|debating|keen|undecided ..3 buy*|order|ordering|purchas*|getting|subscribing -my_order|about_returning|cancel*|return*|refund*|collab*|working|partner*|promot*|sponsor*|part_time|forward|hearing|become|becoming|ambassador
        considering|deciding|choosing|undecided ..1 between|the|your -my_order|return*|cancel*|refund*
        have_not|not ordered|bought|purchased ..2 yet|anything
        want|like|going|plan|wants|would_love ..1 to ..1 buy|purchase|order ..3 but|and|is|does|do|can|what|which|how|one -my_order|again|reorder|by_mistake|cancel|received
        i want # ..2 for
        potential|prospective|future customer
        """,
        unless="""
        i|we ..1 received
        my|our order
        order #
        """,
        beats=frozenset({Intent.RETURN_REQUEST, Intent.EXCHANGE_REQUEST, Intent.REFUND_REQUEST, Intent.DAMAGED_ITEM, Intent.WRONG_ITEM_RECEIVED, Intent.CANCEL_SUBSCRIPTION, Intent.MISSING_ITEMS_IN_SHIPMENT, Intent.CANCEL_ORDER, Intent.ORDER_STATUS_TRACKING, Intent.SHIPPING_DELAY_NOT_SHIPPED}),
    ),
    rule(
        Intent.PRE_PURCHASE_QUESTION, "payment_methods",
        """
        payment|payments|pay|paying <>5 method|methods|option|options|modalit*|ways|types|forms|accepted|allowed|available|possibilit* -not_going_through|failed|change_my|update_my|declin*|fail*|error*|accepted_my_payment|not_being_accepted|not_accepted|was_not_accepted|invalid
        do|can|could|would|does you|i|u|we ..1 accept|take|pay ..2 klarna|paypal|visa|mastercard|amex|american_express|apple_pay|google_pay|crypto|bitcoin|cash|instal*|afterpay|cheque|check|bank_transfer|cards|credit_cards|card
        pay with|by|via|using|in ..2 card|paypal|klarna|crypto|apple_pay|google_pay|cash|bitcoin|instal*|afterpay|cheque -tried|try|twice|refused|charged|paid|declin*|every_time|not
        """,
        unless="declin*|reject*|refused|failed|twice|charged",
    ),
    rule(
        Intent.PRE_PURCHASE_QUESTION, "buying",
        """
        place|placing|make|making|complete ..2 order|orders|purchase|purchases -my_order_was|cancel*|placed
        buy|buying|purchase|purchasing|acquire|acquiring ..4 @ITEM|several|few|some
        how_do_i|how_to|how_can_i|where_can_i|can_i|want_to|like_to ..1 order|buy|purchase !status|update|tracking|confirmation|history|again -cancel*|return*|refund*
        """,
        unless=_BOUGHT + "\npayment|accident*|mistake|error|crash*|cancel*|issue|report|complain*|never|tried",
    ),
    rule(
        Intent.PRE_PURCHASE_QUESTION, "delivery_options",
        """
        do|can|will|could|would|does you|u|ya|they|it|your_store [guys|also|even|still] ship|deliver|send|post|mail ..1 to|internationally|abroad|overseas|outside|worldwide|here
        ship|shipping|deliver|delivery|shipments ..1 internationally|international|abroad|overseas|worldwide|to_europe|to_canada|to_australia|to_the_uk
        options|methods|services|choices|alternatives <>4 delivery|deliveries|shipping|shipment -changed|change_my
        how_much|what|cost|costs|price|fee|rate|rates ..5 shipping|delivery|postage !late|address|date|label|time|status|status|number -why|return*|charged|cancel*
        shipping|delivery|postage|freight ..2 cost|costs|fee|fees|price|prices|rate|rates|free !in|late
        is|are|get|offer shipping|delivery free
        free shipping|delivery over|above|on
        how_long|what ..6 shipping|delivery|ship|deliver ..2 to|time_to|take_to !my|me|arrive|get|the|come
        """,
        unless=_BOUGHT + "\nwhy|charged|still|adds|promo*|code",
    ),
    rule(
        Intent.PRE_PURCHASE_QUESTION, "stock",
        """
        in_stock|out_of_stock|restock|restocks|restocked|restocking|back_in_stock|stock_level*|stock_check|check_stock|pre-order|preorder -cancelled|shipped|ship_in
        waiting_list|waitlist|wait_list|next_batch|more_of_these|next_shipment_of|more_stock
        sold_out|available_again|check_availability|availability_check|product_availability|come_back|coming_back|back_again|comes_back -order|parcel|package
        notify|alert|email|tell|let ..2 me ..4 when ..4 available|back|stock|ready
        is|are|do|does|will|have|any|got ..5 available|sold_out|left|stock|discontinued -agent|refund|tracking|delivery_slot|human
        do you|u|ya|they [guys|still|also|happen_to] sell|carry|offer|stock|make|have !my|a_phone|phone|an_update|update|record|customer|tracking|news|contact|an_exchange|exchanges|affiliate|ambassador|jobs|job|any_update|any_news|any_information|any_jobs|returns|return|a_number|a_manager|my_data|number -my_data|my_order|discount|code|coupon|update|ambassador|affiliate|refund|influencer*|phone_number|returns|tracking|phone|phone_line|exchange*
        """,
        unless=_BOUGHT,
    ),
    rule(
        Intent.PRE_PURCHASE_QUESTION, "product_question",
        """
        is|are|was|if|whether it|this|that|they|these|the|your|those ..4 @PROPERTY -not_included|refund
        does|do|will|would|can|could|is|are|if|whether it|this|that|they|these|the|your|one ..4 fit|work|come_in|come_with|include|contain|last|hold|go_in|go_with|run_small|run_large|run_big|shrink|fade|support|have|need|require|suit|cover|use|be_used|made_of|made_from|made_in|sit|stand -refund|return|work_out|order|shipping|code|coupon|app|website|password|login|hours|money|tracking|not|have_my|come_with_my|package|parcel|arrive|card|payment
        made_of|made_from|made_in|dimensions|ingredients|measurements|size_chart|size_guide|sizing|care_instructions|wattage|thread_count|shelf_life
        what|which size|sizes|color|colors|material|model|dimensions|filter|version|shade|one ..3 should|would|do|does|is|are|for|fits|i|you -did|wrong|sent|my_order|my_number
        which|what ..5 best|better|suit|suits|suitable ..1 for|with|if
        recommend|suggest|advise ..4 for|size|beginner|which|one|instead +size|which|what|beginner|best|for
        difference|compare|compared|better <>4 between|to|than|with +or|and|vs|version|model
        how|much how_much ..1 is|are|does|do|for ..1 the|this|these|it|that|one|they|a|cost
        ^ price|how_much|cost|size $
        ^ [hi|hello|hey] price|how_much $
        how big|tall|wide|heavy|long|thick|deep|many ..1 is|are|does|do -take|until|refund|delivery|shipping|days|times
        warranty|guarantee ..4 cover|covers|on|for|last|period|long|include|claim -broke|broken|stopped|money_back
        is|does|have|how_long ..4 warranty -broke|broken|stopped
        gift_wrap*|gift_box|gift_note|gift_message|gift_wrapping|wrap_it|a_gift_card_for|buy_a_gift
        wholesale|bulk|bulk_order*|trade_price*|minimum_order|reseller|stockist*|corporate_gift*
        engrav*|personali*|customis*|customiz*|custom_made|monogram* -how_far|not|wrong|mistake|spelled
        shop|store|showroom|stores|shops|branch|outlet ..2 in|near|around|where|location*|do_you_have -bought_in_your_store|staff|return*|manager|complain*
        pregnan*|allerg*|toddler|infant*|years_old|year_old|sensitive_skin +safe|suitable|ok|okay|use|recommend|contain
        try|trial ..1 period|before|in_store
        safe|suitable|good|okay|ok ..1 for|to|during ..4 +is|are|it|your|this
        """,
        unless=_BOUGHT + """
        i|we have ..1 this|the|your|it
        not|stopped|never ..1 working|work|works|fit|received
        arrive*|missing|wrong|late|replace*|return*|exchange*|code
        photo|photos|picture|attached
    """,
    ),
    rule(
        Intent.PROMO_DISCOUNT_ISSUE, "promo",
        """
        @CODE|percent|loyalty <>8 not|invalid|expired|error|apply|applied|applying|work*|use|used|using|forgot|missing|redeem*|enter*|accept*|valid|get|add|adding|honor|honour|any|available|where|student|never|did|have|do -app|get_into|verification|password|login|postal|zip|qr_code|security|code_never_comes|2fa|error_code|pin_code|sms_code|confirmation_code|access_code|tracking_code|barcode|buy_a|qr
        @CODE ..3 balance|zero|not_show*|does_not|is_not|will_not|reward -gift_card_for
        percent off|discount|code
        code|codes ..3 not|does_not|is_not|invalid|expired|did_nothing|rejected|no_longer -verification|login|password|zip|postal|qr|security|tracking|error_code|2fa|bar|sms|never_comes|arriv*|text|phone|email_with_a_code_to_log|came|authentication|pin
        my|your|the|any|this ..2 code ..4 -verification|log|login|password|post|zip|qr|security|tracking|2fa|bar|sms|error|reset|authentication|pin|dress|gate|app|get_into|access|country
        code ..2 at_checkout|for_my_birthday|from_your_newsletter|from_your_email|from_the_newsletter
        student|military|first_order|birthday|black_friday|holiday|senior|nurse|teacher|loyalty|welcome|cyber_monday|bundle|sibling ..1 discount|discounts|deal|deals|sale|sales|code|codes|price|offer
        price_match*|price_adjust*|price_drop*|honor_the|honour_the|price_difference|price_guarantee
        lowered|dropped|reduced|cheaper|went_on_sale ..4 price|day|week|after|now +bought|ordered|purchased|order|price
        sale_price|sale_discount|sale|promotion|special_offer|your_offer|an_offer|the_offer|one_offer|deal|bogo|buy_one|free_gift|free_shipping ..8 not|is_not|full_price|did_not|was_charged|adds|never|no|missing|cart|applied
        complimentary|free|bonus ..4 not|missing|never ..3 added|cart|basket|applied|included
        charged|paid ..2 full_price
        free_shipping|free_delivery +basket|cart|over|adds|charges|charged|threshold|not|qualif*
        any|running|have|having|upcoming|another|next|current ..2 sale|sales|deals|discounts|promotions|promo|promos|offers|coupons
        referral|refer_a_friend|loyalty ..3 link|bonus|reward|points|credit|program*
        """,
        unless="""
        i|we did_not|never ..1 sign_up
        password|log_in
        gift_cards ..4 pay|customs|claim
        """,
        beats=frozenset({Intent.PRE_PURCHASE_QUESTION, Intent.TECHNICAL_SUPPORT, Intent.BILLING_ISSUE, Intent.ADDRESS_CHANGE_ORDER_EDIT, Intent.SHIPPING_DELAY_NOT_SHIPPED, Intent.ORDER_STATUS_TRACKING}),
    ),
    rule(
        Intent.INFLUENCER_MARKETING_INQUIRY, "influencer",
        """
        influencer|influencers|collab|collabs|collaborate|collaborating|collaboration|collaborations|ugc|media_kit|brand_deal|brand_partnership|gifted_product*|talent_agency|talent_manager|paid_partnership|barter|brand_family -seen|saw|code|discount|influencer_code|by_an_influencer
        ambassador|ambassadors|ambassadorship
        affiliate|affiliates|affiliation -code
        sponsor|sponsoring|sponsorship|sponsored ..5 my|our|post*|us|podcast|channel|event|team|vlog|video*|opportunit*|content|me|season
        partner|partnership|partnering|partnerships ..3 with|opportunit*|program*|brand|creator*
        content|lifestyle|beauty|video|food|fashion|travel|fitness|ugc|tiktok|youtube|instagram ..1 creator|creators|blogger|vlogger|influencer
        blogger|vlogger|podcaster|youtuber|streamer +feature|collab*|work|brand|follower*|product*|partner
        pr_list|pr_package*|pr_box*|pr_sample*|gifting
        # k|followers|subscribers|subs|on_tiktok|on_instagram +post|collab*|promote|feature|brand|review|content|free|follower*|work_with|product|reels|partner
        followers|subscribers|audience|engaged_followers ..10 brand|promote|feature|review|content|collab*|product*|love|reels
        love|like|interested|want|happy ..3 review|feature|promote|showcase|work_with ..6 channel|blog|page|instagram|tiktok|youtube|audience|podcast|profile|stories|followers|brand|you -product_review
        review|feature|promote|showcase|post ..6 on|to|in|with my|our ..1 channel|blog|page|instagram|tiktok|youtube|audience|podcast|profile|stories|story|followers|feed
        post|posting ..2 about ..4 free|tiktok|instagram +send|free|followers|k
        free|complimentary product*|sample*|stuff ..4 exchange|return|review|post*|content|feature
        invite|like|want ..3 brand|you ..2 to_sponsor|sponsor|partner
        we|i ..2 represent|manage ..4 creator*|influencer*|youtuber*|talent|blogger*
        work|working with ..2 influencer*|creator*|blogger*
        """,
        beats=frozenset({Intent.EXCHANGE_REQUEST, Intent.PRE_PURCHASE_QUESTION, Intent.SOCIAL_MEDIA_SUPPORT_REQUEST, Intent.UNKNOWN_OTHER, Intent.TIKTOK_SUPPORT_REQUEST, Intent.PHONE_SUPPORT_REQUEST}),
    ),
)  # fmt: skip
